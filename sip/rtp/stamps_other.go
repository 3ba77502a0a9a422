//go:build !linux

package rtp

// holdStamps has nothing to hold where packets are not stamped.
func holdStamps() *socket { return nil }
