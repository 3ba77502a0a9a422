//go:build !linux

package node

import "syscall"

// noOrphan does nothing: only Linux ties a process to the one that starts it.
func noOrphan() *syscall.SysProcAttr { return nil }
