package recorder

import (
	"bytes"
	"sync/atomic"

	"github.com/reelvault/reelvault/media/spool"
)

const (
	// queueLength and queueBytes bound what waits for a slow disk: 64 clusters
	// are half a minute of one publisher, 8 MiB a minute at 1 Mbit/s. Above
	// half of either, frames are dropped instead.
	queueLength = 64
	queueBytes  = 8 << 20

	// ringEvery is how much a file grows between two rings of the archive's bell.
	ringEvery = 8 << 20

	// repeatPiece is how much of a long silence is written at once.
	repeatPiece = 256 << 10
)

// output is the bounded queue between a muxer and its spool file. It
// implements webm.Output and wav.Output.
type output struct {
	recorder *Recorder
	file     *spool.File
	id       string
	queue    chan write
	queued   atomic.Int64 // bytes in it
	failure  atomic.Pointer[error]
	given    atomic.Bool   // up: run closes the file
	finished chan struct{} // closed by run at its end
}

type write struct {
	data   []byte
	head   bool
	repeat int64 // so many times data
}

func newOutput(r *Recorder, f *spool.File, id string) *output {
	o := &output{recorder: r, file: f, id: id, queue: make(chan write, queueLength), finished: make(chan struct{})}
	r.captures.Add(1)
	go func() {
		defer r.captures.Done()
		o.run()
	}()
	return o
}

// run writes until the queue is closed. After an error it only empties it.
func (o *output) run() {
	defer close(o.finished)
	defer func() {
		if o.given.Load() {
			o.closeFile()
		}
	}()
	rung := int64(0)
	for w := range o.queue {
		o.queued.Add(-int64(len(w.data)))
		if o.err() != nil {
			continue
		}
		if err := o.write(w); err != nil {
			o.failure.Store(&err)
			continue
		}
		o.recorder.stats.bytes.Add(uint64(len(w.data)) * uint64(max(w.repeat, 1)))
		if grown := o.file.Size() / ringEvery; grown > rung {
			rung = grown
			o.recorder.config.Stored(o.id)
		}
	}
}

func (o *output) write(w write) error {
	switch {
	case w.head:
		return o.file.WriteHead(w.data)
	case w.repeat > 0:
		return o.writeRepeated(w.data[0], w.repeat)
	default:
		return o.file.Append(w.data)
	}
}

func (o *output) writeRepeated(value byte, n int64) error {
	b := bytes.Repeat([]byte{value}, int(min(n, repeatPiece)))
	for ; n > 0; n -= int64(len(b)) {
		if err := o.file.Append(b[:min(n, int64(len(b)))]); err != nil {
			return err
		}
	}
	return nil
}

// Append implements webm.Output.
func (o *output) Append(b []byte) error { return o.put(write{data: b}) }

// WriteHead implements webm.Output.
func (o *output) WriteHead(b []byte) error { return o.put(write{data: b, head: true}) }

// Repeat implements wav.Output.
func (o *output) Repeat(value byte, n int64) error {
	return o.put(write{data: []byte{value}, repeat: n})
}

func (o *output) put(w write) error {
	if err := o.err(); err != nil {
		return err
	}
	o.queued.Add(int64(len(w.data)))
	o.queue <- w
	return nil
}

// busy says that the disk does not keep up.
func (o *output) busy() bool {
	return len(o.queue) > queueLength/2 || o.queued.Load() > queueBytes/2
}

// err gives what broke the file: a failed write of ours or a failed sync.
func (o *output) err() error {
	if p := o.failure.Load(); p != nil {
		return *p
	}
	return o.file.Err()
}

// seal writes what waits and seals the file; it gives the file's size.
func (o *output) seal() (int64, error) {
	close(o.queue)
	<-o.finished
	defer o.closeFile()
	if err := o.err(); err != nil {
		return 0, err
	}
	if err := o.file.Seal(); err != nil {
		return 0, err
	}
	return o.file.Size(), nil
}

// abandon leaves the file to be finished later. It does not wait for a disk
// that hangs; finished says when the file has been let go.
func (o *output) abandon() {
	o.given.Store(true)
	close(o.queue)
}

// closeFile gives the descriptor back. What its close could report, the last
// sync has reported already.
func (o *output) closeFile() {
	if err := o.file.Close(); err != nil {
		o.recorder.config.Log.Debug("close spool file", "file", o.id, "err", err)
	}
}
