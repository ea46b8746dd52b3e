package redisgate_test

import (
	"context"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
)

// An outbox on a Redis that has a replica: usage is kept by both before a response leaves.
func ExampleOutbox() {
	durable := func(ctx context.Context, client rueidis.Client, stigg gate.Source, who gate.Resolver) (*gate.Gate, error) {
		box, err := redisgate.Outbox(ctx, client, redisgate.WaitFor(1))
		if err != nil {
			return nil, err
		}
		return gate.New(stigg, who, gate.WithOutbox(box)) // Close closes it
	}
	_ = durable
}
