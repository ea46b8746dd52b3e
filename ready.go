package gate

import (
	"context"
	"strings"
)

// DegradedError says what a gate goes without while it serves on.
type DegradedError struct {
	// Problems are for a person to read; none holds anything of a customer's.
	Problems []string
}

func (e *DegradedError) Error() string { return "gate: degraded: " + strings.Join(e.Problems, "; ") }

// Ready is for a readiness probe. It is nil if all is well, and a *DegradedError if the
// gate serves on without something: keep the process in service, and look. Any other
// error means that requests are refused for a reason of this process's own, and the probe
// should fail: ErrClosed, ErrQueueFull, an *OutboxError; or ctx has ended.
//
// It asks nothing of Stigg: an outage of Stigg is no reason to restart anything.
func (g *Gate) Ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.closing.Load() {
		return ErrClosed
	}
	if d := g.delivery; d != nil {
		if err := d.keeper.ready(); err != nil {
			return err
		}
		if d.full() {
			return ErrQueueFull
		}
	}
	if problems := g.problems(); len(problems) > 0 {
		return &DegradedError{problems}
	}
	return nil
}

func (g *Gate) problems() (problems []string) {
	add := func(is bool, problem string) {
		if is {
			problems = append(problems, problem)
		}
	}
	add(g.cache.down.Load(), "entitlements can't be read from Stigg")
	add(g.cache.lost.Load(), "changes in Stigg are not told as they happen any more")
	if d := g.delivery; d != nil {
		add(d.troubled(), "usage can't be reported to Stigg and waits")
		add(d.refuses(), "Stigg refuses usage for good, and it is set aside")
		add(d.keeper != nil && d.keeper.failing.Load(), "the outbox does not keep usage, and a crash loses it")
	}
	return problems
}
