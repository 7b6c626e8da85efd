"""Images: list, tag, remove, move; build with good and bad Dockerfiles."""

# ruff: noqa: E501  # a command line stays whole

from tests.e2e.compare.sides import Scenario

#: A Dockerfile that is wrong, as printf takes it
BAD_BUILDS = {
    "empty": "",
    "comment": "# only\\n",
    "no from": "RUN true\\n",
    "unknown instruction": "FROM busybox\\nNOSUCH x\\n",
    "unknown image": "FROM localhost:1/nosuch\\n",
    "failing run": "FROM busybox\\nRUN exit 3\\n",
    "missing command": 'FROM busybox\\nRUN ["nosuch"]\\n',
    "missing file": "FROM busybox\\nCOPY nosuch /\\n",
    "missing wildcard": "FROM busybox\\nCOPY no* /\\n",
    "outside": "FROM busybox\\nCOPY ../x /\\n",
    "copy one argument": "FROM busybox\\nCOPY x\\n",
    "many to a file": "FROM busybox\\nCOPY Dockerfile Dockerfile /x\\n",
    "unknown stage": "FROM busybox\\nCOPY --from=9 /x /\\n",
    "unknown flag": "FROM busybox\\nCOPY --nosuch=1 x /\\n",
    "from flag": "FROM --platform=nosuch/x/y/z busybox\\n",
    "env": "FROM busybox\\nENV\\n",
    "env name": "FROM busybox\\nENV A\\n",
    "label": "FROM busybox\\nLABEL\\n",
    "expose": "FROM busybox\\nEXPOSE x\\n",
    "user": "FROM busybox\\nUSER\\n",
    "user unknown": "FROM busybox\\nUSER nosuch\\nRUN true\\n",
    "workdir": "FROM busybox\\nWORKDIR\\n",
    "volume": "FROM busybox\\nVOLUME\\n",
    "stop signal": "FROM busybox\\nSTOPSIGNAL NOSUCH\\n",
    "shell": "FROM busybox\\nSHELL sh\\n",
    "health": "FROM busybox\\nHEALTHCHECK NOSUCH\\n",
    "health flag": "FROM busybox\\nHEALTHCHECK --interval=1us CMD true\\n",
    "onbuild": "FROM busybox\\nONBUILD FROM x\\n",
    "onbuild onbuild": "FROM busybox\\nONBUILD ONBUILD RUN x\\n",
    "maintainer": "FROM busybox\\nMAINTAINER\\n",
    "from three": "FROM busybox x y\\n",
    "stage name": "FROM busybox AS 1x\\n",
    "cmd json": 'FROM busybox\\nCMD ["a"\\n',
    "variable": "FROM busybox\\nENV A=${B\\n",
    "arg in from": "ARG X\\nFROM $X\\n",
    "chown": "FROM busybox\\nCOPY --chown=nosuch Dockerfile /\\n",
    "escape": "# escape=x\\nFROM busybox\\n",
    "add url": "FROM busybox\\nADD http://127.0.0.1:1/x /\\n",
}

SCENARIOS = (
    Scenario(
        "images",
        """\
images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
images nosuch
images -a -q
images --digests --format '{{.Repository}} {{.Digest}}'
images --filter dangling=true
images --filter dangling=x
images --filter reference='busy*' --format '{{.Repository}}'
images --filter reference='['
images --filter label=x
images --filter before=nosuch
images --filter nosuch=1
images Bad
tag busybox one:1
tag busybox localhost:5000/a/b:tag
tag busybox one
tag nosuch x
tag busybox Bad
tag busybox bad:t@g
tag busybox aa:-x
$docker images --format '{{.Repository}}:{{.Tag}}' | sort
rmi one:1
rmi one:1
rmi one localhost:5000/a/b:tag
rmi nosuch
rmi Bad
rmi sha256:0000000000000000000000000000000000000000000000000000000000000000
inspect --type image nosuch
image inspect nosuch Bad
history nosuch
history --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' busybox
save nosuch
$docker save nosuch -o x.tar
push nosuch
pull Bad
pull localhost:1/nosuch
pull localhost:1/nosuch@sha256:123
push localhost:1/nosuch
image prune -f
image prune -a -f --filter label=nosuch
image prune -f --filter nosuch=x
image prune -f --filter until=x
""",
    ),
    Scenario(
        "image fields",
        """\
inspect -f '{{json .Config}}' busybox
inspect -f '{{.Os}} {{.Architecture}} {{.Author}} {{.Comment}} {{.RepoTags}} {{.RepoDigests}} {{.Parent}}' busybox
inspect -f '{{.RootFS.Type}} {{len .RootFS.Layers}} {{.GraphDriver.Name}}' busybox
inspect -f '{{.Size}}' busybox
""",
    ),
    Scenario(
        "rmi of used images",
        """\
$printf 'FROM busybox\\nCMD ["sleep","100"]\\n' | docker build -q -t used -
run -d --name aa used
rmi used
rmi -f used
tag used used2
rmi used2
$docker rmi $(docker inspect -f '{{.Image}}' aa)
$docker rmi -f $(docker inspect -f '{{.Image}}' aa)
stop -t 0 aa
rmi used
ps -a --format '{{.Names}} {{.Image}}'
rm aa
images -q --filter dangling=true
image prune -f
rmi used
""",
    ),
    Scenario(
        "import and load",
        """\
$mkdir -p fs/etc; echo x > fs/etc/x; tar -C fs -cf fs.tar .
import fs.tar
import -c 'ENV A=1' -c 'CMD ["x"]' -m text fs.tar imp:1
inspect -f '{{json .Config.Env}} {{json .Config.Cmd}} {{.Comment}}' imp:1
history --format '{{.CreatedBy}}|{{.Comment}}' imp:1
import -c 'RUN x' fs.tar
import -c 'NOSUCH' fs.tar
import nosuch.tar
import fs.tar Bad
$echo junk | docker import -
$docker save imp:1 -o s.tar
rmi imp:1
load -i s.tar
load -q -i s.tar
load -i nosuch
rmi imp:1
$docker image prune -f > /dev/null
""",
    ),
    Scenario(
        "build",
        """\
$mkdir -p ctx/d; echo a > ctx/a; echo b > ctx/d/b; echo secret > ctx/secret; echo secret > ctx/.dockerignore
$printf 'FROM busybox AS one\\nARG V=1\\nENV A=$V B=b\\nWORKDIR /w\\nCOPY a d/ ./\\nADD d /e\\nRUN echo $A $V > out && ls\\nLABEL k=v\\nEXPOSE 80\\nVOLUME /vol\\nUSER web\\nSTOPSIGNAL INT\\nHEALTHCHECK CMD true\\nSHELL ["/bin/sh","-c"]\\nONBUILD RUN x\\nENTRYPOINT ["sh"]\\nCMD ["-c","cat out"]\\n' > ctx/Dockerfile
build -t built ctx
build -t built ctx
build -q -t built ctx
build --build-arg NOSUCH=2 -t built2 ctx
run --rm built
inspect -f '{{json .Config}}' built
history --format '{{.CreatedBy}}|{{.Comment}}|{{.Size}}' built
build --label x=y --target nosuch ctx
build --target one -q -t built4 ctx
$docker rmi -f built built2 built4 | grep Untagged
$docker container prune -f > /dev/null; docker image prune -f > /dev/null
""",
    ),
    Scenario(
        "build stages",
        """\
$mkdir -p st; echo hi > st/f; printf 'FROM busybox AS a\\nRUN echo 1 > /one\\nFROM busybox AS b\\nCOPY --from=a /one /two\\nFROM b\\nCOPY --from=0 --chown=web /one /three\\nRUN ls -l /two /three | cut -c1-25\\n' > st/Dockerfile
build -q -t st st
run --rm st cat /two /three
rmi st
build -t Bad st
build -f nosuch st
build nosuchdir
build --build-arg x --network none -q -t stt st
$docker image prune -f > /dev/null; docker rmi stt > /dev/null
""",
    ),
    *(
        Scenario(f"bad build: {title}", f"$mkdir -p bad; printf '{text}' > bad/Dockerfile\nbuild bad\n")
        for title, text in BAD_BUILDS.items()
    ),
)
