package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// child is a process that this one has started. It ends with this one, whatever ends that.
type child struct {
	cmd   *exec.Cmd
	input io.Closer
	ended chan struct{} // closed when it has
	err   error         // how; read it once ended is closed
}

// startChild starts a process, and hands on each line that it prints.
func startChild(cmd *exec.Cmd, stdout, stderr func(line []byte)) (*child, error) {
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = &lines{to: stdout}, &lines{to: stderr}
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{cmd: cmd, input: input, ended: make(chan struct{})}
	go func() {
		c.err = cmd.Wait()
		close(c.ended)
	}()
	return c, nil
}

// kill ends the process as kill -9 does.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// stop asks the process to end, and kills it if it takes too long.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = c.input.Close() // where there are no signals
	}
	select {
	case <-c.ended:
		return c.err
	case <-time.After(10 * time.Second):
		c.kill()
		return errors.New("it did not end within 10 s, and was killed")
	}
}

// runs reports whether the process has not ended.
func (c *child) runs() bool {
	if c == nil {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// lines is a writer of whole lines.
type lines struct {
	to func(line []byte)

	mu   sync.Mutex
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.rest = rest
		l.to(line)
	}
}
