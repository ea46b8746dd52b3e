package redisgate

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	// beatEvery is how often a replica tells that it lives, deadAfter when it is believed dead.
	beatEvery = 5 * time.Second
	deadAfter = 15 * time.Second
)

// fleetState is what concerns all customers. Its times are Redis'.
type fleetState struct {
	mu    sync.Mutex
	heard time.Time // when it was learned; the zero time is never
	all   int64     // what was read before is stale
	since int64     // news arrive somewhere since then, without a gap; 0: they don't
	count int       // replicas
	live  bool      // news arrive here
	begun int       // how often they began to
	told  int       // which of these Redis knows
}

func (f *fleetState) replicas() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count
}

func (f *fleetState) allStale() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all
}

// raise notes that all that was read before a time is stale.
func (f *fleetState) raise(at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.all = max(f.all, at)
}

// setLive notes whether news arrive here.
func (f *fleetState) setLive(live bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if live && !f.live {
		f.begun++
	}
	f.live = live
}

// isLive reports whether news arrive here.
func (f *fleetState) isLive() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.live
}

// fleetNow is what is known of all, and learns it if that was long ago.
func (c *cache) fleetNow(ctx context.Context) (all, since int64, err error) {
	f := &c.fleet
	known := func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		all, since = f.all, f.since
		return !f.heard.IsZero() && time.Since(f.heard) < 2*beatEvery
	}
	if known() {
		return all, since, nil
	}
	c.beats.Lock()
	if !known() {
		err = c.beatLocked(ctx, false)
	}
	c.beats.Unlock()
	known()
	return all, since, err
}

// beat tells that this replica lives, and with stale that all is stale from now on.
func (c *cache) beat(ctx context.Context, stale bool) error {
	c.beats.Lock()
	defer c.beats.Unlock()
	return c.beatLocked(ctx, stale)
}

func (c *cache) beatLocked(ctx context.Context, stale bool) error {
	f := &c.fleet
	f.mu.Lock()
	live, begun, anew := f.live, f.begun, f.begun != f.told
	f.mu.Unlock()
	flag := func(is bool) string {
		if is {
			return "1"
		}
		return "0"
	}
	news := c.prefix + ":{news}:"
	return c.link.do(ctx, func(ctx context.Context) error {
		fields, err := c.scripts.beat.Exec(ctx, c.client, []string{news + "all", news + "replicas", news + "live"}, []string{
			c.override(), c.id, flag(live), flag(anew), integer(deadAfter.Milliseconds()), c.keep(), flag(stale), c.newsChannel(),
		}).ToArray()
		if err != nil {
			return err
		}
		if len(fields) != 4 {
			return &Error{Kind: ErrAnswer, Err: fmt.Errorf("%d fields", len(fields))}
		}
		numbers := [4]int64{}
		for i := range fields {
			if numbers[i], err = fields[i].AsInt64(); err != nil {
				return &Error{Kind: ErrAnswer, Err: err}
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.heard, f.all, f.since, f.count = time.Now(), max(f.all, numbers[1]), numbers[2], int(numbers[3])
		if live {
			f.told = begun
		}
		return nil
	})
}

// time is Redis' clock now.
func (c *cache) time(ctx context.Context) (now int64, err error) {
	if c.now != nil {
		return c.now().UnixMicro(), nil
	}
	err = c.link.do(ctx, func(ctx context.Context) error {
		fields, err := c.client.Do(ctx, c.client.B().Time().Build()).AsStrSlice()
		if err != nil {
			return err
		}
		if len(fields) != 2 {
			return &Error{Kind: ErrAnswer}
		}
		seconds, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return &Error{Kind: ErrAnswer, Err: err}
		}
		micros, err := strconv.ParseInt(fields[1], 10, 64)
		now = seconds*1_000_000 + micros
		return err
	})
	return now, err
}

// forget has it learned anew, since news of it may have been missed.
func (f *fleetState) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = time.Time{}
}
