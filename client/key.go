package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// WithKeyFunc asks f for the API key before each attempt of a call and before each connection
// of Watch, so that the key can be rotated without a restart. New's apiKey is then empty.
//
// f is called by many goroutines and should return at once what the app keeps up to date; its
// context is that of the attempt. If it fails, panics, or returns what can't be a key, nothing
// is sent and the call's error is [ErrUnauthenticated]; what f said of it is not shown, since
// it may quote the key. A connection that stands goes on with the key that it was made with.
func WithKeyFunc(f func(context.Context) (string, error)) Option {
	return func(c *Client) error {
		if f == nil {
			return errors.New("the key function is nil")
		}
		if c.key.ask != nil {
			return errors.New("the key function is given twice")
		}
		c.key = keySource{ask: f}
		return nil
	}
}

// keySource is where the API key comes from: New's argument, or WithKeyFunc.
type keySource struct {
	fixed secret
	ask   func(context.Context) (string, error)
}

// get is the key for one attempt.
func (k keySource) get(ctx context.Context, op string) (key secret, failed *Error) {
	if k.ask == nil {
		return k.fixed, nil
	}
	defer func() {
		if recover() != nil {
			failed = noKey(op, "the key function panicked")
		}
	}()
	text, err := k.ask(ctx)
	switch {
	case err != nil:
		return secret{}, noKey(op, "the key function failed")
	case checkKey(text) != nil:
		return secret{}, noKey(op, "the key function returned what is no key")
	}
	return newSecret(text), nil
}

func noKey(op, detail string) *Error {
	return &Error{Operation: op, Code: ErrUnauthenticated, unsent: true, detail: detail}
}

func checkKey(key string) error {
	if key == "" {
		return errors.New("client: the API key is empty")
	}
	for i := range len(key) {
		if key[i] <= ' ' || key[i] >= 0x7f {
			return fmt.Errorf("client: the API key has a byte that no key has at position %d", i)
		}
	}
	return nil
}

// secret holds the API key inside of functions, where neither fmt nor any other
// printer that walks through values can find it.
type secret struct {
	set    func(http.Header)
	within func(string) bool
}

// newSecret keeps key. One so short that it may be part of any word is not looked
// for in texts.
func newSecret(key string) secret {
	const shortest = 8
	return secret{
		set:    func(h http.Header) { h.Set("X-API-KEY", key) },
		within: func(s string) bool { return len(key) >= shortest && strings.Contains(s, key) },
	}
}

// The two ways on which Stigg judges the key: it may lack the permission for one of them.
const (
	overHTTP   = "HTTP"
	overSocket = "realtime"
)

// keyRefused and keyTaken note what Stigg said of the key.

func (c *Client) keyRefused(way string, err *Error) {
	if c.keys[way].note(true) {
		c.logger.Error("client: Stigg refuses the API key; it is tried again from time to time", "way", way, "error", err)
	}
}

func (c *Client) keyTaken(way string) {
	if c.keys[way].note(false) {
		c.logger.Info("client: Stigg takes the API key again", "way", way)
	}
}

// judged notes what an HTTP answer says of the key. An answer that Stigg gave on the arguments
// means that it was taken; any other failure says nothing.
func (c *Client) judged(status int, failed *Error) {
	switch {
	case failed != nil && failed.Is(ErrUnauthenticated):
		c.keyRefused(overHTTP, failed)
	case failed == nil, status >= 200 && status <= 299 && failed.Code != ErrBadResponse:
		c.keyTaken(overHTTP)
	}
}
