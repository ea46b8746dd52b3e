package main

import (
	"context"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"sync/atomic"
)

// Headers between the balancer, the replicas and the mailer.
const (
	customerHeader = "X-Customer-ID"
	requestHeader  = "X-Request-ID"
	replicaHeader  = "X-Replica" // asks for one replica, from 1 on; without it they take turns
)

// balancer hands requests on to the replicas that run, in turns, and notes how each was answered.
type balancer struct {
	cluster *cluster
	proxy   *httputil.ReverseProxy
	pool    *http.Transport // of connections to the replicas
	turn    atomic.Uint32
	number  atomic.Uint64
}

// passage is one request's way through the balancer.
type passage struct {
	target *url.URL
	status int
}

type passageKey struct{}

func passageOf(ctx context.Context) *passage { return ctx.Value(passageKey{}).(*passage) }

func newBalancer(c *cluster) *balancer {
	pool := &http.Transport{MaxIdleConnsPerHost: 128}
	return &balancer{cluster: c, pool: pool, proxy: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(passageOf(r.In.Context()).target) },
		ModifyResponse: func(r *http.Response) error {
			passageOf(r.Request.Context()).status = r.StatusCode
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, _ error) {
			passageOf(r.Context()).status = http.StatusBadGateway
			http.Error(w, "the replica can't be reached", http.StatusBadGateway)
		},
		Transport: pool,
		ErrorLog:  log.New(io.Discard, "", 0),
	}}
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	replica, addr := b.choose(r.Header.Get(replicaHeader))
	id := strconv.FormatUint(b.number.Add(1), 10)
	r.Header.Set(requestHeader, id)
	p := &passage{target: &url.URL{Scheme: "http", Host: addr}, status: http.StatusBadGateway}
	if of := b.cluster.recordOf(r.Header.Get(customerHeader)); of != nil {
		of.handOn(id, replica)
		defer func() { of.answer(id, p.status) }() // also if the answer breaks off, which is a panic
	}
	if addr == "" {
		http.Error(w, "no replica runs", http.StatusBadGateway)
		return
	}
	b.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passageKey{}, p)))
}

// choose is the replica that was asked for, or the next one that runs.
func (b *balancer) choose(asked string) (replica int, addr string) {
	all := b.cluster.replicas
	if n, err := strconv.Atoi(asked); err == nil && n >= 1 && n <= len(all) {
		return n - 1, all[n-1].addr()
	}
	for range all {
		replica = int(b.turn.Add(1)) % len(all)
		if addr = all[replica].addr(); addr != "" {
			return replica, addr
		}
	}
	return replica, ""
}
