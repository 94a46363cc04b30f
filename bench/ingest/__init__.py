"""What reading cameras costs: CPU against FFmpeg decoding the same stream, idle against busy, one stream to many."""
