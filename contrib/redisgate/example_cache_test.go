package redisgate_test

import (
	"net/http"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/webhook"
)

// A cache stands between the gate and package client, and takes the webhooks.
func ExampleCache() {
	serve := func(stigg gate.Source, who gate.Resolver, mux *http.ServeMux, secret string) (*gate.Gate, error) {
		client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{"redis:6379"}})
		if err != nil {
			return nil, err
		}
		shared, err := redisgate.Cache(client, stigg)
		if err != nil {
			return nil, err
		}
		hooks, err := webhook.New(shared.Sink(), []string{secret})
		if err != nil {
			return nil, err
		}
		mux.Handle("POST /webhooks/stigg", hooks)
		return gate.New(shared, who)
	}
	_ = serve
}
