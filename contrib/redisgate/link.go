package redisgate

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/internal/incident"
)

const (
	// callTime is the longest that a call of Redis may take.
	callTime = time.Second
	// A Redis that fails is not asked for a pause that doubles up to the longest.
	firstRest   = 100 * time.Millisecond
	longestRest = 5 * time.Second
)

// link is the way to Redis: while it fails, nobody waits for it.
type link struct {
	patience time.Duration // the longest that a call may take
	failing  *incident.State
	garbled  *incident.State // what is kept can't be read
	deaf     *incident.State // no messages come
	mu       sync.Mutex
	pause    time.Duration // 0: it works
	until    time.Time     // when it is tried again
	isBroken atomic.Bool
}

func newLink(l *slog.Logger, patience time.Duration) *link {
	return &link{
		patience: patience,
		failing: incident.New(slog.LevelWarn, "redisgate: Redis can't be used for entitlements; each replica reads them from Stigg by itself, and hears of no news of others",
			"redisgate: Redis is used for entitlements again", incident.Terms{Logger: l}),
		garbled: incident.New(slog.LevelWarn, "redisgate: what Redis keeps of a customer can't be read, and is read from Stigg instead; is another version, or another app, at the same prefix?",
			"", incident.Terms{Logger: l, Quiet: time.Minute}),
		deaf: incident.New(slog.LevelWarn, "redisgate: news of other replicas don't arrive; they are felt when what is cached expires", "redisgate: news of other replicas arrive again", incident.Terms{Logger: l}),
	}
}

// do makes a call, unless the last one has just failed. An end of ctx says nothing of Redis.
func (l *link) do(ctx context.Context, call func(context.Context) error) error {
	if err := l.rests(); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	err := wrap(call(within))
	if err == nil || ctx.Err() == nil {
		l.note(err)
	}
	return err
}

// rests is an error while Redis is not asked. Who finds that it is time again is the only one to ask.
func (l *link) rests() error {
	if !l.isBroken.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.pause == 0 {
		return nil
	}
	if now.Before(l.until) {
		return &Error{Kind: ErrUnreachable}
	}
	l.until = now.Add(l.patience)
	return nil
}

// note learns what became of a call.
func (l *link) note(err error) {
	if err == nil && !l.isBroken.Load() {
		return
	}
	now := time.Now()
	l.mu.Lock()
	if err == nil {
		l.pause = 0
	} else {
		l.pause = min(max(2*l.pause, firstRest), longestRest)
		l.until = now.Add(l.pause)
	}
	l.isBroken.Store(err != nil)
	l.mu.Unlock()
	if err == nil {
		l.failing.Over(now)
		return
	}
	l.failing.Happens(now, slog.Any("error", err))
}

func (l *link) broken() bool { return l.isBroken.Load() }

// unreadable tells of a value that can't be read.
func (l *link) unreadable(err error) { l.garbled.Happens(time.Now(), slog.Any("error", err)) }
