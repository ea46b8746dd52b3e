package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/redis/rueidis"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
	"github.com/stiggate/gate/contrib/redisgate"
	"github.com/stiggate/gate/emulator"
	"github.com/stiggate/gate/fleet"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/outbox"
)

// replicaVariable is in the environment of a replica's process: its place, as JSON.
const replicaVariable = "FLEET_REPLICA"

// place is where a replica stands.
type place struct {
	Router, Stigg, Redis, Mailer, Outbox string
}

// reclaim is short, so that nobody waits a minute in front of the page. An app leaves it out.
const reclaim = 6 * time.Second

const (
	campaigns = "feature-campaigns"
	route     = "/campaigns"
)

// serveReplica is the whole of a replica's process. It tells its status on stdout, and logs on stderr. It
// ends with ctx, and when its standard input does, which is when the process that started it ends.
func serveReplica(ctx context.Context, _ []string, stdout, stderr io.Writer) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var p place
	if err := json.Unmarshal([]byte(os.Getenv(replicaVariable)), &p); err != nil {
		return err
	}
	logger := slog.New(slog.NewJSONHandler(stderr, nil))
	shared, err := connect(ctx, p.Redis, logger)
	if err != nil {
		return err
	}
	defer shared.Close()
	watched, err := openStore(ctx, shared)
	if err != nil {
		return err
	}
	stigg, err := client.New(emulator.DefaultKey, client.WithEndpoint(p.Stigg), client.WithLogger(logger))
	if err != nil {
		return err
	}
	box, err := outbox.Open(p.Outbox, outbox.WithLogger(logger))
	if err != nil {
		return err
	}
	g, err := gate.New(stigg, identity.FromTrustedHeader(customerHeader, ""),
		gate.WithFleet(watched), gate.WithOutbox(box), gate.WithLogger(logger), gate.WithDecisionTimeout(2*time.Second))
	if err != nil {
		return errors.Join(err, box.Close())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, g.Close(ctx))
	}
	go tellStatus(ctx, stdout, listener.Addr().String(), g, watched)
	server := &http.Server{
		Handler:           routers[p.Router](g, route, gate.Feature(campaigns).Uses(1), sendCampaign(p.Mailer)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	return gate.Serve(ctx, server, g, gate.ServeOn(listener), gate.ShutdownWithin(3*time.Second), gate.DeliverWithin(3*time.Second))
}

// connect waits for Redis, as long as that takes.
func connect(ctx context.Context, addr string, logger *slog.Logger) (rueidis.Client, error) {
	for said := false; ; {
		shared, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}})
		if err == nil {
			return shared, nil
		}
		if !said {
			logger.Warn("waits for Redis", "error", err.Error())
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func openStore(ctx context.Context, shared rueidis.Client) (*watched, error) {
	store, err := redisgate.New(ctx, shared, redisgate.Reclaim(reclaim))
	if err != nil {
		return nil, err
	}
	return &watched{Fleet: store, inHand: make(map[fleet.Account]lease)}, nil
}

// sendCampaign hands a campaign to the mailer, and answers when it is sent.
func sendCampaign(mailer string) http.HandlerFunc {
	pool := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return func(w http.ResponseWriter, r *http.Request) {
		order, err := http.NewRequestWithContext(r.Context(), http.MethodPost, mailer, http.NoBody)
		if err != nil {
			http.Error(w, "no campaign", http.StatusInternalServerError)
			return
		}
		order.Header.Set(customerHeader, r.Header.Get(customerHeader))
		order.Header.Set(requestHeader, r.Header.Get(requestHeader))
		sent, err := pool.Do(order)
		if err != nil {
			http.Error(w, "the mailer can't be reached", http.StatusBadGateway)
			return
		}
		_ = sent.Body.Close()
		w.WriteHeader(http.StatusCreated)
	}
}
