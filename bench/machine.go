package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// host is where and of what was measured.
type host struct {
	cpu, commit, before, after string
	begun, ended               time.Time
}

func machine() *host {
	return &host{cpu: cpu(), commit: commit(), before: loadAverage(), begun: time.Now().UTC()}
}

func (h *host) end() { h.after, h.ended = loadAverage(), time.Now().UTC() }

func (h *host) String() string {
	return fmt.Sprintf("%s, %d cores, %s %s/%s, commit %s, %s, %.1f minutes, load average %s before and %s after",
		h.cpu, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, h.commit,
		h.begun.Format("2006-01-02 15:04 UTC"), h.ended.Sub(h.begun).Minutes(), h.before, h.after)
}

// cpu is the processor's name, where Linux tells it.
func cpu() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// loadAverage is how many processes wanted a core in the last minute. Above the benchmark's own it says that
// others took part of the machine, and only ratios mean something.
func loadAverage() string {
	average, _ := os.ReadFile("/proc/loadavg")
	if one, _, ok := strings.Cut(string(average), " "); ok {
		return one
	}
	return "unknown"
}

// commit is what is measured, with a + if the tree was changed since.
func commit() string {
	head, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	name := strings.TrimSpace(string(head))
	if changed, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
		name += "+"
	}
	return name
}
