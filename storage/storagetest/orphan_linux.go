package storagetest

import "syscall"

// noOrphan has a process killed when the thread that starts it ends.
func noOrphan() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
