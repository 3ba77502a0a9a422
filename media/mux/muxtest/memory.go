// Package muxtest has what the tests of all muxers need.
package muxtest

import (
	"bytes"
	"io"
	"slices"
)

// Memory is a file in memory: a muxer's Output, and a File to recover.
type Memory struct {
	B       []byte
	Appends int
	Heads   int
	Repeats []int64 // how long each was
	Writes  int     // of any kind

	FailAt    int // this write fails and all after it, with Err; 0: none
	Err       error
	Boundless bool // repeats are counted only
}

func (m *Memory) write() error {
	m.Writes++
	if m.FailAt > 0 && m.Writes >= m.FailAt {
		return m.Err
	}
	return nil
}

// Append implements Output.
func (m *Memory) Append(b []byte) error {
	if err := m.write(); err != nil {
		return err
	}
	m.Appends++
	m.B = append(m.B, b...)
	return nil
}

// Repeat implements Output.
func (m *Memory) Repeat(value byte, n int64) error {
	if err := m.write(); err != nil {
		return err
	}
	m.Repeats = append(m.Repeats, n)
	if !m.Boundless {
		m.B = append(m.B, bytes.Repeat([]byte{value}, int(n))...)
	}
	return nil
}

// WriteHead implements Output.
func (m *Memory) WriteHead(b []byte) error {
	if err := m.write(); err != nil {
		return err
	}
	m.Heads++
	m.B = slices.Concat(b, m.B[min(len(b), len(m.B)):])
	return nil
}

// ReadAt implements File.
func (m *Memory) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, m.B[min(off, int64(len(m.B))):])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (m *Memory) WriteAt(b []byte, off int64) (int, error) {
	if err := m.write(); err != nil {
		return 0, err
	}
	m.B = append(m.B, make([]byte, max(0, int(off)+len(b)-len(m.B)))...)
	return copy(m.B[off:], b), nil
}

// Truncate implements File.
func (m *Memory) Truncate(size int64) error {
	if err := m.write(); err != nil {
		return err
	}
	m.B = m.B[:size]
	return nil
}

// Size implements File.
func (m *Memory) Size() int64 { return int64(len(m.B)) }
