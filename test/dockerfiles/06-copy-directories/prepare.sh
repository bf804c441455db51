mkdir -p tree/empty
chmod 711 tree/sub
chmod 755 tree/file
ln tree/file tree/hard
