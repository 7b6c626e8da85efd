"""cp: all directions, odd sources and targets."""

# ruff: noqa: E501  # a command line stays whole

from tests.e2e.compare.sides import Scenario

SCENARIOS = (
    Scenario(
        "cp out",
        """\
run --name aa busybox sh -c 'mkdir -p /d/sub; echo x > /d/f; ln -s f /d/link; ln -s /etc /d/dirlink; ln -s nosuch /d/dead; echo y > /d/sub/g; chmod 600 /d/f; mkfifo /d/fifo'
$rm -rf out; mkdir out
cp aa:/d/f out
cp aa:/d/f out/renamed
cp aa:/d out
cp aa:/d/. out/flat
cp aa:/d out/new
cp aa:/d/link out/link1
cp -L aa:/d/link out/link2
cp aa:/d/dirlink/passwd out/p
cp aa:/d/dead out/dead
cp -L aa:/d/dead out/dead2
$find out -printf '%P %y %m %l\\n' | sort
cp aa:/nosuch out
cp aa:/d/f out/nosuch/x
cp aa:/d/f out/nosuch/
cp aa:/d out/renamed
cp aa:/d/f/ out/q
cp aa:/etc/passwd/x out
cp aa: out
cp aa:d/f out/rel
$docker cp -q aa:/d/f - | tar -t
$docker cp aa:/d - | tar -t | sort
cp aa:/x aa:/y
cp aa:/d/f
cp -a aa:/d/f out/arch
""",
    ),
    Scenario(
        "cp in",
        """\
create --name aa busybox sh -c 'find /new /tmp /home /f2 | sort; cat /f2; stat -c "%a %u" /f2; ls -ld /d2 2>/dev/null | cut -c1-10'
$rm -rf in; mkdir -p in/sub; echo x > in/f; chmod 640 in/f; echo y > in/sub/g; ln -s f in/link; ln -s nosuch in/dead
cp in aa:/new
cp in aa:/new
cp in/. aa:/home
cp in/f aa:/f2
cp in/f aa:/tmp
cp in/f aa:/tmp/
cp in/f aa:/nosuch/x
cp in/f aa:/nosuch/
cp in aa:/etc/passwd
cp in/f aa:/etc/passwd/x
cp in/nosuch aa:/tmp
cp in/link aa:/tmp/l
cp -L in/link aa:/tmp/l2
cp in/dead aa:/tmp/dead
cp in/f aa:/
cp in/f aa:
cp in/f aa:rel
cp nosuch/x aa:/
$tar -C in -c sub | docker cp - aa:/tmp
$echo bad | docker cp - aa:/tmp
$tar -C in -c sub | docker cp - aa:/nosuch
$tar -C in -c sub | docker cp - aa:/etc/passwd
start -a aa
cp - aa
cp -a in/f aa:/tmp/owned
""",
    ),
    Scenario(
        "cp and volumes",
        """\
$echo x > f; mkdir -p ro
create --name aa -v vol:/v -v $PWD/ro:/ro:ro busybox cat /v/f
cp f aa:/v/f
cp f aa:/ro/f
cp aa:/v/f g
$cat g
start -a aa
run -d --name bb --read-only --tmpfs /t busybox sleep 100
cp f bb:/x
cp f bb:/t/f
exec bb ls /t
cp bb:/proc/self/status out
rm -f aa bb
volume rm vol
""",
    ),
)
