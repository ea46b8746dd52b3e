package outbox

import (
	"errors"
	"log/slog"
	"time"

	"github.com/stiggate/gate/internal/option"
)

// Option changes what Open does by default.
type Option func(*config) error

type config struct {
	noWait   bool
	maxBytes int64
	maxAge   time.Duration
	logger   *slog.Logger
	now      func() time.Time
	minRetry time.Duration
}

func defaults() config {
	return config{
		maxBytes: 1 << 30,
		maxAge:   90 * 24 * time.Hour,
		minRetry: 100 * time.Millisecond,
		logger:   slog.Default(),
		now:      time.Now, //nolint:forbidigo // the default of WithClock
	}
}

// NoWait makes Append return before its usage is durable: a crash within about 10 ms,
// plus what the disk takes, loses it.
func NoWait() Option {
	return func(c *config) error {
		c.noWait = true
		return nil
	}
}

// MaxBytes bounds the file: 1 GiB by default, at least 1 MiB. A measurement takes about
// 150 bytes and its dimensions, and once more as much of the file. Give the volume a
// quarter more than MaxBytes, see the package's "When it is full".
func MaxBytes(n int64) Option {
	return func(c *config) error {
		if n < 1<<20 {
			return errors.New("MaxBytes must be at least 1 MiB")
		}
		c.maxBytes = n
		return nil
	}
}

// MaxAge is how old usage, by its CreatedAt, may be delivered at all: 90 days by
// default. Open sets what is older aside, with the reason, and logs how many: the
// invoice it belongs to has been written, so a person decides. It is never deleted.
// While the process runs, usage is not taken from the gate that is delivering it.
func MaxAge(d time.Duration) Option {
	return func(c *config) error {
		c.maxAge = d
		return option.Duration("MaxAge", d)
	}
}

// WithLogger logs each change of state once: Error when the disk fails or the outbox is
// full, Info when it is well again. And it logs what Open finds damaged or too old. No log
// line holds anything of a customer's. The default is what slog.Default is at Open.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("WithLogger needs a logger")
		}
		c.logger = l
		return nil
	}
}

// WithClock sets the clock that usage is compared with and set aside by, for tests.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("WithClock needs a clock")
		}
		c.now = now
		return nil
	}
}
