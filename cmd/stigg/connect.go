package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client"
)

// The environment's variables that say which Stigg is asked.
const (
	keyVariable = "STIGG_API_KEY"
	urlVariable = "STIGG_URL"
	// plainVariable names the hosts that may be sent the key by http, separated by commas.
	plainVariable = "STIGG_PLAINTEXT_TO"
)

// connect makes the client that commands ask Stigg by.
func (t terminal) connect(options ...client.Option) (*client.Client, error) {
	key := strings.TrimSpace(t.getenv(keyVariable))
	if key == "" {
		return nil, misuse("%s is not set: it must hold the server API key of an environment", keyVariable)
	}
	options = append([]client.Option{client.WithEndpoint(t.getenv(urlVariable)), client.WithLogger(silent())}, options...)
	if hosts := t.getenv(plainVariable); hosts != "" {
		options = append(options, client.WithPlaintextTo(strings.Split(hosts, ",")...))
	}
	c, err := client.New(key, options...)
	if err != nil {
		return nil, misuse("%s", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "client: "), "WithPlaintextTo", plainVariable))
	}
	return c, nil
}

// silent logs nothing: what a command has to say is its output.
func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// askFor is how long a command asks Stigg at most, if a flag says nothing else.
const askFor = 15 * time.Second

// ofStigg gives a failure of Stigg's its exit code: what Stigg refused is a problem of what was
// asked, anything else means that it can't be asked.
func ofStigg(err error) error {
	if err == nil {
		return nil
	}
	var u *gate.UpstreamError
	var e *client.Error
	switch {
	case errors.As(err, &u) && (u.Kind == gate.UpstreamRefused || u.Kind == gate.UpstreamRefusedAll):
		return err
	case !errors.As(err, &u) && errors.As(err, &e) && e.Permanent() && !errors.Is(err, client.ErrUnauthenticated):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return failure{exitUnreachable, "Stigg did not answer in time: " + err.Error()}
	}
	return failure{exitUnreachable, err.Error()}
}
