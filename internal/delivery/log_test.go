package delivery

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stiggate/gate/internal/upstream"
)

// lines is a log that may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wants reports whether there is one line with all of that.
func (l *lines) wants(t *testing.T, parts ...string) {
	t.Helper()
	n := 0
	for line := range strings.SplitSeq(l.String(), "\n") {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(line, part)
		}
		if has {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d lines have %q:\n%s", n, parts, l)
	}
}

func TestTheLogTellsWhatKeepsUsageFromStigg(t *testing.T) {
	for name, test := range map[string]func(t *testing.T, f func(*stigg, func(*Config[unit])) *fixture, log *lines){
		"an outage, with what waits": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			var down atomic.Bool
			down.Store(true)
			s := &stigg{report: func(context.Context, []unit) error {
				if down.Load() {
					return &upstream.Error{Kind: upstream.KindDown, RetryAfter: 20 * time.Second, Err: errDown}
				}
				return nil
			}}
			f := with(s, nil)
			f.put(unit{customer: "secret"})
			time.Sleep(30 * time.Second)
			f.put(unit{customer: "secret"})
			time.Sleep(50 * time.Second)
			down.Store(false)
			f.drain()
			log.wants(t, "level=WARN", "can't be reported", "kind=usage", "error=down", "retry=20s", "queued=1")
			log.wants(t, "level=WARN", "can't be reported", "since=", "lasted=1m0s", "times=4", "queued=2", "oldest=")
			log.wants(t, "level=INFO", "is reported again", "lasted=1m", "times=", "refused=0", "queued=")
		},
		"a key that is refused": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			var wrong atomic.Bool
			wrong.Store(true)
			s := &stigg{report: func(context.Context, []unit) error {
				if wrong.Load() {
					return &upstream.Error{Kind: upstream.KindUnauthorized, Err: errors.New("401")}
				}
				return nil
			}}
			f := with(s, nil)
			f.put(unit{})
			synctest.Wait()
			if !f.Health().Failing {
				t.Error("Health does not tell")
			}
			wrong.Store(false)
			f.drain()
			log.wants(t, "level=ERROR", "refuses the API key", "error=401", "queued=1")
			log.wants(t, "level=INFO", "is reported again")
		},
		"a queue that is full": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			var up atomic.Bool
			s := downUntil(&up)
			f := with(s, func(c *Config[unit]) { c.Places = 1 })
			f.put(unit{})
			for range 90 {
				if !errors.Is(f.Reserve(1), ErrFull) {
					t.Fatal("there is room")
				}
				time.Sleep(time.Second)
			}
			up.Store(true)
			time.Sleep(2 * time.Minute)
			f.put(unit{})
			f.drain()
			log.wants(t, "level=ERROR", "too much usage waits", "queued=1 oldest=0s")
			log.wants(t, "level=ERROR", "too much usage waits", "lasted=1m0s", "times=61")
			log.wants(t, "level=INFO", "there is room for usage again", "lasted=1m29s", "times=90")
			log.wants(t, "level=INFO", "is reported again", "refused=")
		},
		"usage that is refused": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			var mended atomic.Bool
			s := &stigg{report: func(context.Context, []unit) error {
				if mended.Load() {
					return nil
				}
				return &upstream.Error{Kind: upstream.KindRefused, Err: errors.New("FeatureNotFound")}
			}}
			f := with(s, nil)
			for i := range 3 {
				f.put(unit{customer: string(rune('a' + i))})
				time.Sleep(30 * time.Second)
			}
			mended.Store(true)
			time.Sleep(time.Minute)
			f.put(unit{customer: "z"})
			f.drain()
			log.wants(t, "level=ERROR", "refused for good and set aside", "kind=change", "error=FeatureNotFound", "lasted=1m0s", "times=3", "usages=2")
			log.wants(t, "level=INFO", "no usage is refused any more", "lasted=1m0s", "times=3", "usages=3")
		},
		"a function for refused usage that hangs": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			s, end := &stigg{report: func(context.Context, []unit) error { return &upstream.Error{Kind: upstream.KindRefused, Err: errDown} }}, make(chan struct{})
			f := with(s, func(c *Config[unit]) { c.Refused = func(unit, error) { <-end } })
			f.put(unit{})
			time.Sleep(time.Minute)
			if !f.Health().Untold {
				t.Error("Health does not tell")
			}
			close(end)
			synctest.Wait()
			_ = f.Health()
			f.drain()
			log.wants(t, "level=ERROR", "function for refused usage does not return")
			log.wants(t, "level=INFO", "function for refused usage returns again")
		},
		"a store that fails": func(t *testing.T, with func(*stigg, func(*Config[unit])) *fixture, log *lines) {
			box := &memoryStore{append: func() error { return errors.New("disk full") }}
			f := with(&stigg{}, func(c *Config[unit]) { c.Store = box })
			f.put(unit{})
			time.Sleep(time.Minute)
			box.append = nil
			f.put(unit{})
			f.drain()
			log.wants(t, "level=ERROR", "the outbox does not keep usage", "answered 503", "disk full")
			log.wants(t, "level=INFO", "keeps usage again", "lasted=1m0s", "refused=0 unkept=1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &lines{}
				test(t, func(s *stigg, change func(*Config[unit])) *fixture {
					return newFixture(t, s, func(c *Config[unit]) {
						c.Logger = slog.New(slog.NewTextHandler(log, nil))
						c.Header = func(u unit) Header {
							return Header{Lane: u.lane, Size: 1, Value: 1, CreatedAt: time.Unix(946684800, 0)}
						}
						if change != nil {
							change(c)
						}
					})
				}, log)
				if strings.Contains(log.String(), "secret") {
					t.Errorf("a customer is in the log:\n%s", log)
				}
			})
		})
	}
}
