package swr

import (
	"errors"
	"log/slog"
	"time"

	"github.com/stiggate/gate/internal/incident"
	"github.com/stiggate/gate/internal/upstream"
)

// logQuiet is how long what has no end of its own must not have happened to be over.
const logQuiet = 10 * time.Minute

// log tells what makes requests fail, and what it costs. It names no key and nothing that a key's
// owner chose.
type log struct {
	failing, panicked, unauthorized, broken *incident.State // ended by what is read
	refused, slow, budget                   *incident.State // ended by quiet
	lost, silent, ended                     *incident.State // ended by news
}

func newLog(logger *slog.Logger, costs func() []incident.Count, figures func(time.Time) []slog.Attr) log {
	outage := incident.Terms{Logger: logger, Costs: costs, Figures: figures}
	once := outage
	once.Once = true
	quiet := incident.Terms{Logger: logger, Quiet: logQuiet}
	lasting := incident.Terms{Logger: logger}
	const again, felt = "gate: entitlements are read again", "gate: changes in Stigg are felt at once"
	return log{
		failing: incident.New(slog.LevelWarn,
			"gate: entitlements can't be read; what is cached is served, other customers as the outage policy says; see whether this machine reaches Stigg, and Stigg's own status", again, outage),
		panicked: incident.New(slog.LevelError,
			"gate: the source panicked while it read entitlements; it counts as an answer that nobody understands; mend the source", again, outage),
		unauthorized: incident.New(slog.LevelError,
			"gate: Stigg refuses the API key; no customer can be read, and only what is cached is served; give the process the server key of its environment", "gate: Stigg takes the API key", outage),
		broken: incident.New(slog.LevelWarn,
			"gate: Stigg is not asked for a while, since reads fail; then one read at a time shows whether it answers", "gate: Stigg is asked again", once),
		refused: incident.New(slog.LevelWarn,
			"gate: Stigg refuses to tell entitlements of a customer as it was asked; that customer gets 503, others are not concerned; compare the customer and resource ids that the resolver makes with those in Stigg",
			"gate: Stigg refuses no customer's entitlements any more", quiet),
		slow: incident.New(slog.LevelWarn,
			"gate: customers that are not cached waited too long for their first read, and were answered as the outage policy says; raise WithColdTimeout if Stigg is far, or read them before with Warm",
			"gate: no customer waited too long for a first read any more", quiet),
		budget: incident.New(slog.LevelWarn,
			"gate: requests of one customer name more resources that have no entitlements than Stigg is asked for; those get 503, other customers are not concerned; see where their ids come from",
			"gate: no customer's requests name too many resources any more", quiet),
		lost: incident.New(slog.LevelWarn,
			"gate: the connection that tells of changes is lost; they are felt when what is cached expires; it is tried again", felt, lasting),
		silent: incident.New(slog.LevelWarn,
			"gate: the connection that tells of changes does not come up; they are felt when what is cached expires; it is tried again; see whether a proxy lets WebSockets through", felt, lasting),
		ended: incident.New(slog.LevelError,
			"gate: changes in Stigg are not told any more; they are felt when what is cached expires; it is tried again, at least once an hour", felt, lasting),
	}
}

// unheard reports whether it is told that news don't arrive.
func (l *log) unheard() bool { return l.lost.Active() || l.silent.Active() || l.ended.Active() }

// read tells what became of a read.
func (l *log) read(now time.Time, err error) {
	var panicked *panicError
	about := slog.Any("error", err)
	switch {
	case err == nil:
		l.failing.Over(now)
		l.panicked.Over(now)
		l.unauthorized.Over(now)
	case upstream.Unauthorized(err):
		l.unauthorized.Happens(now, about)
	case upstream.Refused(err):
		l.refused.Happens(now, about)
	case errors.As(err, &panicked):
		l.panicked.Happens(now, about, slog.String("stack", string(panicked.stack)))
	default:
		l.failing.Happens(now, about)
	}
	for _, s := range []*incident.State{l.failing, l.panicked, l.unauthorized, l.refused, l.slow, l.budget, l.lost, l.silent, l.ended} {
		s.Tick(now)
	}
}

// breaker tells that the source is not asked any more, or again.
func (l *log) breaker(now time.Time, c change) {
	switch {
	case c.opened:
		l.broken.Happens(now, slog.Any("error", c.cause))
	case c.closed:
		l.broken.Over(now)
	}
}

// figures are told with every line of an outage.
func (k *Cache[K, V]) figures(now time.Time) []slog.Attr {
	attrs := []slog.Attr{slog.Int("cached", k.full.lru.Len())}
	if until := k.breaker.until(now); until.After(now) {
		attrs = append(attrs, slog.Duration("retry", until.Sub(now).Round(time.Millisecond)))
	}
	return attrs
}
