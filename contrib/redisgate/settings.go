package redisgate

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/internal/option"
)

// settings are what the options set.
type settings struct {
	client   rueidis.Client
	prefix   string
	timing   fleet.Timing
	replicas int64
	now      func() time.Time // nil: Redis' own
	of       user             // whom all options are for

	ttl, liveTTL time.Duration // of Cache
	patience     time.Duration // with a call of Redis, and with half a load; for tests
	logger       *slog.Logger
}

// user is what an option is for.
type user uint8

const (
	ofStore user = 1 << iota
	ofCache
	ofOutbox
)

// apply applies options, of which none may be for others than these.
func apply(client rueidis.Client, options []Option, of user) (settings, error) {
	s := settings{client: client, prefix: "gate", timing: fleet.DefaultTiming(), ttl: time.Minute, liveTTL: 10 * time.Minute, patience: callTime, logger: slog.Default(), of: ofStore | ofCache | ofOutbox}
	if client == nil {
		return s, errors.New("redisgate: the client is nil")
	}
	for _, o := range options {
		if o == nil {
			return s, errors.New("redisgate: an option is nil")
		}
		if err := o(&s); err != nil {
			return s, err
		}
	}
	if s.of&of == 0 {
		return s, errors.New("redisgate: an option is given that is for another part of the package")
	}
	return s, nil
}

// Option is a setting of New, Cache or Outbox. One that names another one of them is refused.
type Option func(*settings) error

// Prefix begins all keys and the channel, instead of "gate": one for each environment of Stigg's
// that a Redis serves. It must be of letters, digits and "-_.:".
func Prefix(prefix string) Option {
	return func(s *settings) error {
		valid := func(r rune) bool {
			return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.:", r)
		}
		if prefix == "" || strings.TrimFunc(prefix, valid) != "" {
			return fmt.Errorf("redisgate: the prefix %q is not of letters, digits and \"-_.:\"", prefix)
		}
		s.prefix = prefix
		return nil
	}
}

// Reclaim is after how long without a word a replica is taken for dead, and its outbox by another one,
// instead of a minute: see fleet.Timing. It must be the same in all replicas, and longer than any request runs that Redis
// may not hear of meanwhile.
func Reclaim(d time.Duration) Option {
	return func(s *settings) error {
		s.timing.Reclaim, s.of = d, s.of&^ofCache
		return s.timing.Validate()
	}
}

// Timing is all of the timing. Its default is fleet.DefaultTiming.
func Timing(t fleet.Timing) Option {
	return func(s *settings) error {
		s.timing, s.of = t, s.of&^ofCache
		return t.Validate()
	}
}

// WaitFor has a grant used, and usage kept, only once so many replicas of Redis have it: it costs one more
// round trip, and a failover loses next to nothing.
func WaitFor(replicas int) Option {
	return func(s *settings) error {
		if replicas < 1 {
			return fmt.Errorf("redisgate: WaitFor(%d): there must be at least 1 replica", replicas)
		}
		s.replicas, s.of = int64(replicas), s.of&^ofCache
		return nil
	}
}

// Clock tells the time instead of Redis. For tests.
func Clock(now func() time.Time) Option {
	return func(s *settings) error {
		if s.now = now; now == nil {
			return errors.New("redisgate: the clock is nil")
		}
		return nil
	}
}

// TTL is how long Cache has a set fresh, and while news of changes arrive: those of the gate's WithTTL
// and WithLiveTTL, whose defaults, a minute and ten, are its own.
func TTL(fresh, live time.Duration) Option {
	return func(s *settings) error {
		s.ttl, s.liveTTL, s.of = fresh, live, s.of&ofCache
		for _, d := range []time.Duration{fresh, live} {
			if err := option.Duration("TTL", d); err != nil {
				return fmt.Errorf("redisgate: %w", err)
			}
		}
		if live < fresh {
			return fmt.Errorf("redisgate: the TTL while news arrive, %v, is below the TTL, %v", live, fresh)
		}
		return nil
	}
}

// Logger is told when Redis can't be used any more, and when it can again, instead of slog.Default().
// Nothing of a customer's is in a line.
func Logger(l *slog.Logger) Option {
	return func(s *settings) error {
		if s.logger, s.of = l, s.of&ofCache; l == nil {
			return errors.New("redisgate: the logger is nil")
		}
		return nil
	}
}
