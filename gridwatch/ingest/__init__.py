"""Cameras to frames: ONVIF, RTSP, recorded files. The only importer of the ONVIF client."""
