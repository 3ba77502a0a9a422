package recorder

import "github.com/reelvault/reelvault/media"

// unrecorded is the capture of a publisher who goes on where recording is
// switched off or refused. It keeps nothing, and lets everything through.
type unrecorded struct{}

// AddTrack implements media.Capture. Any codec passes.
func (unrecorded) AddTrack(media.Format, func()) (media.Track, error) { return passing{}, nil }

// Close implements media.Capture.
func (unrecorded) Close(error) {}

// passing is a track of it.
type passing struct{}

// WritePacket implements media.Track.
func (passing) WritePacket(*media.Packet) bool { return true }

// WriteReport implements media.Track.
func (passing) WriteReport(media.Report) {}

// Close implements media.Track.
func (passing) Close() {}
