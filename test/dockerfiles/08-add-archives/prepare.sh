mkdir -p made/etc made/usr/lib/new
echo conf > made/etc/new.conf
echo lib > made/usr/lib/new/lib.so.1
ln -s lib.so.1 made/usr/lib/new/lib.so
ln made/usr/lib/new/lib.so.1 made/usr/lib/new/hard
chmod 4755 made/usr/lib/new/lib.so.1
chmod 750 made/etc
tar -C made --sort=name --owner=1234 --group=33 --mtime=@1600000000 -cf plain.tar etc usr
gzip -9n < plain.tar > zipped.tar.gz
echo only text | gzip -n > text.gz
rm -r made
