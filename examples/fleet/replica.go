package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
)

// replica is one of the app's: a process of this program, and the link between it and Redis.
type replica struct {
	name    string
	place   place
	link    *link
	journal *journal

	mu      sync.Mutex
	process *child
	status  status // the last that the process told
}

// start starts the process. It serves once addr is not empty.
func (r *replica) start() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	at, err := json.Marshal(r.place)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process.runs() {
		return errors.New(r.name + " runs already")
	}
	cmd := exec.CommandContext(context.Background(), self) //nolint:gosec // this program
	cmd.Env = append(os.Environ(), replicaVariable+"="+string(at))
	r.status = status{}
	process, err := startChild(cmd, r.hear, func(line []byte) { r.journal.hear(r.name, line) })
	if err != nil {
		return err
	}
	r.process = process
	go func() {
		<-process.ended
		r.journal.say(r.name, "WARN", fmt.Sprint("has ended: ", process.cmd.ProcessState))
	}()
	return nil
}

// hear takes a status that the process tells.
func (r *replica) hear(line []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var s status
	if err := json.Unmarshal(line, &s); err != nil {
		r.journal.say(r.name, "ERROR", err.Error())
		return
	}
	r.status = s
}

// kill ends the process as kill -9 does.
func (r *replica) kill() error {
	r.mu.Lock()
	process := r.process
	r.mu.Unlock()
	if !process.runs() {
		return errors.New(r.name + " does not run")
	}
	process.kill()
	return nil
}

// stop ends the process in peace.
func (r *replica) stop() error {
	r.mu.Lock()
	process := r.process
	r.mu.Unlock()
	if !process.runs() {
		return nil
	}
	return process.stop()
}

// addr is where the replica serves; empty if it does not.
func (r *replica) addr() string {
	_, status := r.look()
	return status.Addr
}

// look is whether the process runs, and what it told last; nothing if it does not run.
func (r *replica) look() (runs bool, s status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.process.runs() {
		return false, status{}
	}
	return true, r.status
}
