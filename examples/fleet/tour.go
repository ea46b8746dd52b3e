package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// stop is one of the tour's: what happens, told by what it does.
type stop struct {
	what string
	do   func(ctx context.Context, c *cluster) error
}

// stops are the tour's. Each is for a customer of its own.
var stops = []stop{
	{"Each of three replicas gets 300 requests at once.", func(ctx context.Context, c *cluster) error {
		c.burst(ctx, 300)
		return nil
	}},
	{"A replica is killed in the middle of a burst (kill -9), and starts again.", func(ctx context.Context, c *cluster) error {
		return c.during(ctx, func() error {
			err := c.replicas[1].kill()
			return errors.Join(err, c.replicas[1].start())
		})
	}},
	{"Redis is killed in the middle of a burst (kill -9), and starts again with its file.", func(ctx context.Context, c *cluster) error {
		return c.during(ctx, func() error {
			if err := c.redis.kill(); err != nil {
				return err
			}
			c.burst(ctx, 30) // nobody can ask it
			return c.redis.start(ctx)
		})
	}},
	{"A replica is cut off from Redis in the middle of a burst, and the network heals.", func(ctx context.Context, c *cluster) error {
		return c.during(ctx, func() error {
			if err := c.replicas[2].link.cut(); err != nil {
				return err
			}
			c.burst(ctx, 30)
			return c.replicas[2].link.heal()
		})
	}},
	{"Redis is killed and starts again empty: replicas tell it what they have.", func(ctx context.Context, c *cluster) error {
		return c.during(ctx, func() error {
			if err := errors.Join(c.redis.kill(), c.redis.forget()); err != nil {
				return err
			}
			return c.redis.start(ctx)
		})
	}},
}

// during does something in the middle of a burst: once 30 requests were let in.
func (c *cluster) during(ctx context.Context, do func() error) error {
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		c.burst(ctx, 100)
	}()
	err := until(ctx, time.Minute, "nothing is let in", func() bool { return c.present().look().Total >= 30 })
	if err == nil {
		err = do()
	}
	<-sent
	return err
}

// useUp sends requests until all is used up that the limit leaves, and Stigg counts it.
func (c *cluster) useUp(ctx context.Context) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	return until(ctx, time.Minute, "not all is let in that the limit leaves", func() bool {
		if a := c.present().look(); a.Total < a.Limit {
			c.spread(ctx, 30)
			time.Sleep(200 * time.Millisecond)
		}
		a := c.present().look()
		return a.Counted >= a.Limit && a.Running == 0
	})
}

// errOver is the tour's end if the limit did not hold.
var errOver = errors.New("the limit did not hold")

// takeTour has everything happen that can be done on the page, and tells what became of it. The error is nil
// only if the limit held at every moment, and all was let in in the end that it leaves.
func takeTour(ctx context.Context, c *cluster, out io.Writer) error {
	fmt.Fprintf(out, "%d replicas share one limit of %d, for each customer, through Redis at %s.\n", size, limit, c.redis.addr())
	for i, s := range stops {
		if i > 0 {
			if err := c.newCustomer(); err != nil {
				return err
			}
		}
		fmt.Fprintf(out, "\n%d. %s\n", i+1, s.what)
		if err := s.do(ctx, c); err != nil {
			return err
		}
		tell(out, "   after it:", c.present().look())
		if err := c.useUp(ctx); err != nil {
			return err
		}
		tell(out, "   used up: ", c.present().look())
	}
	over := c.over()
	if over > 0 {
		fmt.Fprintf(out, "\nThe limit of %d was exceeded by %d.\n", limit, over)
		return errOver
	}
	fmt.Fprintf(out, "\nThe limit held: at no time were more than %d let in, of %d customers.\n", limit, len(stops))
	return nil
}

func tell(out io.Writer, when string, a account) {
	all := a.sum()
	fmt.Fprintf(out, "%s %d of %d let in (", when, a.Total, a.Limit)
	for i, of := range a.Replicas {
		if i > 0 {
			fmt.Fprint(out, " + ")
		}
		fmt.Fprint(out, of.Admitted)
	}
	fmt.Fprintf(out, "), never more than %d; refused: %d × 402, %d × 429, %d × 503, %d broke off; Stigg counts %d\n",
		a.Peak, all.LimitIs, all.Pending, all.Unavailable, all.Broken, a.Counted)
}
