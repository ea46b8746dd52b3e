package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stiggate/gate/emulator"
)

//go:embed catalog.json
var catalog string

const (
	plan  = "plan-basic"
	limit = 100 // the plan's, of campaigns
	size  = 3   // replicas
)

// cluster is all that runs: an emulated Stigg, Redis, the mailer, the replicas, and a balancer in front.
type cluster struct {
	dir      string
	stigg    *emulator.Server
	redis    *redis
	replicas []*replica
	journal  *journal
	balancer *balancer
	api      string // the balancer's URL
	servers  []*http.Server
	sending  atomic.Int64 // requests that are sent and not answered

	mu      sync.Mutex
	records map[string]*record
	current *record // of the customer that requests are sent for
}

// startCluster starts everything, with a customer. close ends it, and so does an error.
func startCluster(ctx context.Context, router string) (_ *cluster, err error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	c := &cluster{journal: &journal{}, records: make(map[string]*record)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.dir, err = os.MkdirTemp("", "fleet-"); err != nil {
		return nil, err
	}
	if c.stigg, err = emulator.Start("127.0.0.1:0", emulator.WithCatalog(strings.NewReader(catalog))); err != nil {
		return nil, err
	}
	if c.redis, err = newRedis(program, c.dir); err != nil {
		return nil, err
	}
	if err = c.redis.start(ctx); err != nil {
		return nil, err
	}
	if err = c.redis.provision(ctx); err != nil {
		return nil, err
	}
	mails, err := c.serve(mailer{c, 150 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	for i := range size {
		l, err := newLink(c.redis.addr())
		if err != nil {
			return nil, err
		}
		name := fmt.Sprint("replica ", i+1)
		c.replicas = append(c.replicas, &replica{
			name: name, link: l, journal: c.journal,
			place: place{Router: router, Stigg: c.stigg.URL(), Redis: l.addr(), Mailer: mails, Outbox: filepath.Join(c.dir, fmt.Sprint("outbox-", i+1))},
		})
	}
	c.balancer = newBalancer(c)
	if c.api, err = c.serve(c.balancer); err != nil {
		return nil, err
	}
	for _, r := range c.replicas {
		if err = r.start(); err != nil {
			return nil, err
		}
	}
	if err = c.ready(ctx); err != nil {
		return nil, err
	}
	return c, c.newCustomer()
}

// serve serves on a free port of 127.0.0.1, until close.
func (c *cluster) serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	c.servers = append(c.servers, s)
	go func() { _ = s.Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// ready waits until every replica whose process runs serves.
func (c *cluster) ready(ctx context.Context) error {
	return until(ctx, time.Minute, "a replica does not start", func() bool {
		for _, r := range c.replicas {
			if runs, s := r.look(); runs && s.Addr == "" {
				return false
			}
		}
		return true
	})
}

// until waits until it is so.
func until(ctx context.Context, patience time.Duration, problem string, so func() bool) error {
	for end := time.Now().Add(patience); !so(); {
		if time.Now().After(end) {
			return errors.New(problem)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// newCustomer adds a customer, who has used nothing, and for whom requests are sent from now on.
func (c *cluster) newCustomer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprint("customer-", len(c.records)+1)
	if err := c.stigg.AddCustomer(id); err != nil {
		return err
	}
	if _, err := c.stigg.Subscribe(id, plan, emulator.Subscription{}); err != nil {
		return err
	}
	c.current = newRecord(id, limit, size, func() int {
		n, _ := c.stigg.CurrentUsage(id, "", campaigns) // the customer is there
		return int(n)
	})
	c.records[id] = c.current
	c.journal.say("you", "INFO", id+" signs up, with a limit of "+fmt.Sprint(limit)+" campaigns")
	return nil
}

// recordOf is a customer's; nil if there is no such customer.
func (c *cluster) recordOf(customer string) *record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.records[customer]
}

func (c *cluster) present() *record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current
}

// over is by how much the limit was ever exceeded, of any customer.
func (c *cluster) over() (most int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range c.records {
		most = max(most, of.look().Peak-of.limit)
	}
	return most
}

// close ends all that was started, the replicas first: they give back what they have, and deliver.
func (c *cluster) close() error {
	var errs []error
	var ending sync.WaitGroup
	var mu sync.Mutex
	if c.balancer != nil {
		c.balancer.pool.CloseIdleConnections() // replicas that stop would wait for those that were never used
	}
	for _, r := range c.replicas {
		_ = r.link.heal() // it may be whole
		ending.Go(func() {
			if err := r.stop(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("%s: %w", r.name, err))
			}
		})
	}
	ending.Wait()
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	for _, r := range c.replicas {
		r.link.close()
	}
	if c.redis != nil {
		_ = c.redis.kill() // it may be dead
	}
	if c.stigg != nil {
		errs = append(errs, c.stigg.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(c.dir))...)
}
