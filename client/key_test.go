package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stiggate/gate"
)

func TestTheKeyFunctionIsAskedForEachAttempt(t *testing.T) {
	keys := []string{"first-key-1234", "second-key-1234", "third-key-1234"}
	asked := 0
	var got []string
	c, rec := serve(t, says(502, ""), WithRetry(3, 0))
	c.key = keySource{ask: func(context.Context) (string, error) { asked++; return keys[asked-1], nil }}
	_, _ = c.Entitlements(t.Context(), acme)
	for _, r := range rec.list {
		got = append(got, r.header.Get("X-API-KEY"))
	}
	if fmt.Sprint(got) != fmt.Sprint(keys) {
		t.Errorf("the keys were %v", got)
	}
}

func TestAKeyThatCantBeHadIsATypedErrorThatTellsNothing(t *testing.T) {
	const hidden = "hidden-key-1234"
	for name, f := range map[string]func(context.Context) (string, error){
		"it fails":            func(context.Context) (string, error) { return "", fmt.Errorf("no %s", hidden) },
		"it panics":           func(context.Context) (string, error) { panic(hidden) },
		"it returns no key":   func(context.Context) (string, error) { return hidden + "\n", nil },
		"it returns an empty": func(context.Context) (string, error) { return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			c, rec := serve(t, says(200, emptySet))
			c.key = keySource{ask: f}
			_, err := c.Entitlements(t.Context(), acme)
			e := errorOf(t, err)
			if !errors.Is(err, ErrUnauthenticated) || e.Permanent() || e.kind() != gate.UpstreamUnsent || rec.count() != 0 {
				t.Errorf("the error is %v, %d requests", err, rec.count())
			}
			for _, text := range renderings(err) {
				if strings.Contains(text, hidden) {
					t.Errorf("the key is in %s", text)
				}
			}
		})
	}
}

func TestAKeyFunctionEndsWithItsCall(t *testing.T) {
	c, _ := serve(t, says(200, emptySet))
	c.key = keySource{ask: func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Entitlements(ctx, acme); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	c.timeout = 1
	if _, err := c.Entitlements(t.Context(), acme); !errors.Is(err, ErrTimeout) {
		t.Errorf("the error is %v", err)
	}
}

func TestEachChangeOfWhatStiggSaysOfTheKeyIsLoggedOnce(t *testing.T) {
	answers := []struct {
		status int
		body   string
	}{
		{200, emptySet}, {401, "no"}, {200, refusalJSON("Unauthenticated")}, {502, ""}, {403, ""}, {200, "<html>"},
		{200, refusalJSON("FeatureNotFound")}, {200, emptySet}, {200, refusalJSON("ApiKeyExpired")},
	}
	var log syncBuffer
	next := 0
	c, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(answers[next].status)
		_, _ = io.WriteString(w, answers[next].body)
	}, WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	want := []string{"", "refuses", "", "", "", "", "takes", "", "refuses"}
	for i := range answers {
		next = i
		before := log.String()
		_, _ = c.Entitlements(t.Context(), gate.Customer{ID: "acme"})
		line := strings.TrimPrefix(log.String(), before)
		if want[i] == "" && line != "" || strings.Count(line, "\n") > 1 || !strings.Contains(line, want[i]) {
			t.Errorf("after answer %d, %v, the log is %q", i, answers[i], line)
		}
	}
}

// bomb is a transport that panics.
type bomb struct{}

func (bomb) RoundTrip(*http.Request) (*http.Response, error) { panic(testKey) }

func TestAPanicOfTheHTTPClientIsAnError(t *testing.T) {
	c, err := New(testKey, WithHTTPClient(&http.Client{Transport: bomb{}}))
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Entitlements(t.Context(), acme)
	if !errors.Is(err, ErrNetwork) {
		t.Errorf("the error is %v", err)
	}
	noSecret(t, fmt.Sprintf("%+v", err))
}
