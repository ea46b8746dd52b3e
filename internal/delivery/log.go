package delivery

import (
	"log/slog"
	"sync"
	"time"

	"github.com/stiggate/gate/internal/incident"
	"github.com/stiggate/gate/internal/upstream"
)

const (
	// logQuiet is how long nothing must have been refused for that to be over.
	logQuiet = time.Minute
	// mostBegun bounds the lines of a minute that name what else is refused.
	mostBegun = 10
)

// log tells what keeps usage from Stigg, and what it costs. Nothing of a customer's is in it.
type log struct {
	failing, unauthorized [3]*incident.State // by lane
	full, refusing        *incident.State    // ended by quiet
	untold                *incident.State
	logger                *slog.Logger

	mu    sync.Mutex
	since time.Time // when the minute began
	begun int       // lines in it that name what else is refused
}

var kinds = [...]string{Measurements: "usage", Events: "event", Credits: "credits"}

func (q *Queue[U]) newLog() *log {
	terms := incident.Terms{Logger: q.config.Logger, Figures: q.figures, Costs: func() []incident.Count {
		return []incident.Count{{Name: "refused", Value: q.denied.Load()}}
	}}
	quiet := incident.Terms{Logger: q.config.Logger, Figures: q.figures, Quiet: logQuiet}
	refused := quiet
	refused.Costs = func() []incident.Count { return []incident.Count{{Name: "usages", Value: q.refused.Load()}} }
	const again = "gate: usage is reported again"
	l := &log{
		logger: q.config.Logger,
		full: incident.New(slog.LevelError,
			"gate: too much usage waits to be reported; requests that would report are answered 503 until there is room; see why nothing is delivered; an outbox holds more than memory does",
			"gate: there is room for usage again", quiet),
		refusing: incident.New(slog.LevelError,
			"gate: usage is refused for good and set aside; see whether the feature is metered in Stigg and the customers are there", "gate: no usage is refused any more", refused),
		untold: incident.New(slog.LevelError,
			"gate: the application's function for refused usage does not return; what it was not told keeps its place in the queue; mend it",
			"gate: the application's function for refused usage returns again", incident.Terms{Logger: q.config.Logger}),
	}
	for lane := range l.failing {
		l.failing[lane] = incident.New(slog.LevelWarn,
			"gate: usage can't be reported; it is kept and tried again; see whether this machine reaches Stigg, and Stigg's own status", again, terms)
		l.unauthorized[lane] = incident.New(slog.LevelError,
			"gate: Stigg refuses the API key, and usage waits; give the process the server key of its environment", again, terms)
	}
	return l
}

// figures are told with every line.
func (q *Queue[U]) figures(time.Time) []slog.Attr {
	s := q.Stats()
	attrs := []slog.Attr{slog.Int("queued", s.Queued)}
	if !s.Oldest.IsZero() {
		attrs = append(attrs, slog.Duration("oldest", max(0, q.config.Now().Sub(s.Oldest)).Round(time.Millisecond)))
	}
	return attrs
}

// note tells what became of an attempt.
func (s *sender[U]) note(err error) {
	l, lane, now := s.all.log, s.queue.lane, s.all.config.Now()
	about := []slog.Attr{slog.String("kind", kinds[lane]), slog.Any("error", err)}
	if retry := upstream.RetryAfter(err); retry > 0 {
		about = append(about, slog.Duration("retry", retry))
	}
	switch {
	case err == nil:
		l.failing[lane].Over(now)
		l.unauthorized[lane].Over(now)
	case upstream.Refused(err): // it says nothing of the others
	case upstream.Unauthorized(err):
		l.unauthorized[lane].Happens(now, about...)
	default:
		l.failing[lane].Happens(now, about...)
	}
	s.all.tick()
}

// fails reports whether the last attempt failed.
func (l *log) fails(lane Lane) bool {
	return l.failing[lane].Active() || l.unauthorized[lane].Active()
}

// tick has what lasts told again.
func (q *Queue[U]) tick() {
	l, now := q.log, q.config.Now()
	if q.notices.hang(q.clock()) {
		l.untold.Happens(now)
	} else {
		l.untold.Over(now)
	}
	for lane := range l.failing {
		l.failing[lane].Tick(now)
		l.unauthorized[lane].Tick(now)
	}
	l.full.Tick(now)
	l.refusing.Tick(now)
	q.adoption.tick(now)
	q.replay.failing.Tick(now)
}

// refuses tells that usage was refused; begins says that none like it was of late.
func (l *log) refuses(now time.Time, begins bool, kind, feature string, err error) {
	about := []slog.Attr{slog.String("kind", kind), slog.String("feature", feature), slog.Any("error", err)}
	if begins && l.refusing.Active() && l.names(now) {
		l.logger.Error("gate: usage of another kind, feature or customer is refused for good, too, and set aside", "kind", kind, "feature", feature, "error", err)
	}
	l.refusing.Happens(now, about...)
}

// names reports whether to name what else is refused.
func (l *log) names(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.since) >= time.Minute || now.Before(l.since) {
		l.since, l.begun = now, 0
	}
	l.begun++
	return l.begun <= mostBegun
}
