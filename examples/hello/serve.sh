#!/bin/sh
# Write the page once, then serve it; httpd -f stays in the foreground as the container's process.
mkdir -p /www
echo "Hello, $NAME, from $(hostname)" > /www/index.html
exec httpd -f -p 80 -h /www
