package main

import (
	"encoding/json"
	"strings"
	"sync"
	"time"
)

// journal keeps the last lines of what happened.
type journal struct {
	mu    sync.Mutex
	lines []entry
	told  int
}

// entry is one line: who says it, and what.
type entry struct {
	N     int // from 1 on
	At    time.Time
	Who   string
	Level string // INFO, WARN or ERROR
	Text  string
}

const mostEntries = 60

func (j *journal) say(who, level, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told++
	j.lines = append(j.lines, entry{j.told, time.Now(), who, level, text})
	if len(j.lines) > mostEntries {
		j.lines = j.lines[1:]
	}
}

// hear takes a line of a replica's log.
func (j *journal) hear(who string, line []byte) {
	var l struct{ Level, Msg, Error string }
	if json.Unmarshal(line, &l) != nil {
		j.say(who, "ERROR", string(line))
		return
	}
	text := strings.TrimPrefix(l.Msg, "gate: ")
	if l.Error != "" {
		text += ": " + l.Error
	}
	j.say(who, l.Level, text)
}

func (j *journal) last() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]entry(nil), j.lines...)
}
