package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// burst sends n requests to each replica that runs, all at once, for the present customer, and waits for
// the answers.
func (c *cluster) burst(ctx context.Context, n int) {
	var to []string
	for i, r := range c.replicas {
		if runs, _ := r.look(); runs {
			to = append(to, slices.Repeat([]string{strconv.Itoa(i + 1)}, n)...)
		}
	}
	rand.Shuffle(len(to), func(i, j int) { to[i], to[j] = to[j], to[i] })
	c.sendAll(ctx, to)
}

// spread sends n requests at once, which the balancer spreads.
func (c *cluster) spread(ctx context.Context, n int) { c.sendAll(ctx, make([]string, n)) }

// sendAll sends a request to each of the replicas named; an empty name leaves it to the balancer.
func (c *cluster) sendAll(ctx context.Context, to []string) {
	customer := c.present().customer
	clients := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 96, MaxIdleConnsPerHost: 96}}
	defer clients.CloseIdleConnections()
	c.sending.Add(int64(len(to)))
	var wait sync.WaitGroup
	for _, replica := range to {
		wait.Go(func() {
			defer c.sending.Add(-1)
			c.send(ctx, clients, customer, replica)
		})
	}
	wait.Wait()
}

// send sends one request, to one replica if that is named. What becomes of it is for the record.
func (c *cluster) send(ctx context.Context, clients *http.Client, customer, replica string) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.api+route, http.NoBody)
	if err != nil {
		return
	}
	r.Header.Set(customerHeader, customer)
	if replica != "" {
		r.Header.Set(replicaHeader, replica)
	}
	if answer, err := clients.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}
