package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stiggate/gate/examples/internal/exampletest"
)

// TestNothingIsLeft: all processes that the example has started end with it, also if it is killed.
func TestNothingIsLeft(t *testing.T) {
	for name, end := range map[string]syscall.Signal{"it is stopped": syscall.SIGTERM, "it is interrupted": syscall.SIGINT, "it is killed": syscall.SIGKILL} {
		t.Run(name, func(t *testing.T) {
			mark := t.TempDir()
			t.Setenv("TMPDIR", mark)
			exampletest.Start(t, nil)
			own := exampleOf(t, mark)
			all := append(childrenOf(t, own), own)
			if len(all) != 2+size {
				t.Fatalf("%d processes run, want the example, Redis and %d replicas", len(all), size)
			}
			if err := syscall.Kill(own, end); err != nil {
				t.Fatal(err)
			}
			for begin := time.Now(); slices.ContainsFunc(all, runs); time.Sleep(20 * time.Millisecond) {
				if time.Since(begin) > 30*time.Second {
					t.Fatalf("processes are left of %v", all)
				}
			}
			files, err := filepath.Glob(filepath.Join(mark, "*"))
			if err != nil || len(files) > 0 && end != syscall.SIGKILL {
				t.Errorf("files are left: %q, %v", files, err)
			}
		})
	}
}

// exampleOf is the process that has this mark in its environment, and is no replica.
func exampleOf(t *testing.T, mark string) int {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		environment, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() && bytes.Contains(environment, []byte("TMPDIR="+mark+"\x00")) && !bytes.Contains(environment, []byte(replicaVariable)) {
			return pid
		}
	}
	t.Fatal("the example does not run")
	return 0
}

// childrenOf are the processes that this one has started.
func childrenOf(t *testing.T, pid int) (all []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if state := stateOf(file); len(state) > 1 && state[1] == strconv.Itoa(pid) {
			child, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			all = append(all, child)
		}
	}
	return all
}

// runs reports whether a process has not ended. One of which nobody has asked how it ended has.
func runs(pid int) bool {
	state := stateOf("/proc/" + strconv.Itoa(pid) + "/stat")
	return len(state) > 0 && state[0] != "Z"
}

// stateOf is what a stat file says behind the name: the state, the parent and more.
func stateOf(file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
}
