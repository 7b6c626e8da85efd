#!/bin/sh
# The front page: says who serves it, and asks the back end to count the visit.
visits=$(wget -q -O - "$STOCK/cgi-bin/visit") || visits="unknown: $STOCK does not answer"
printf 'Content-Type: text/html\r\n\r\n'
cat <<PAGE
<!doctype html>
<title>Dockyard shop</title>
<h1>It works.</h1>
<p>Served by container <b>$(hostname)</b>.</p>
<p>Visits so far, counted in the back end's volume: <b>$visits</b></p>
PAGE
