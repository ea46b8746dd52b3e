package client

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Yamashou/gqlgenc/clientv2"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
)

// Version is sent to Stigg with every request.
const Version = "0.1.0"

var (
	_ gate.Source   = (*Client)(nil)
	_ gate.Reporter = (*Client)(nil)
	_ gate.Watcher  = (*Client)(nil)
)

// Client calls Stigg's GraphQL API with one API key. Make it with [New].
type Client struct {
	endpoint string
	key      secret
	http     *http.Client
	timeout  time.Duration
	retry    retryPolicy
	now      func() time.Time
	random   func() float64
	paces    paces
	api      *gql.Client
	watching watching
	sinks    *sinks
	edge     string // empty: not used
	changes  *changes
	// edgeRests is until when the edge is not asked, in nanoseconds since 1970.
	edgeRests *atomic.Int64
	news      *news
}

// New returns a client that uses apiKey, one of Stigg's server API keys. It makes
// no request: a wrong key shows as [ErrUnauthenticated] at the first call. The
// error says what of the arguments is wrong and quotes none of them.
//
// Without options it calls https://api.stigg.io through http.DefaultTransport, each
// attempt bounded as [WithTimeout] says and repeated as [WithRetry] says.
func New(apiKey string, opts ...Option) (*Client, error) {
	if err := checkKey(apiKey); err != nil {
		return nil, err
	}
	c := &Client{
		endpoint:  defaultEndpoint,
		key:       newSecret(apiKey),
		http:      &http.Client{},
		timeout:   defaultTimeout,
		retry:     retryPolicy{attempts: defaultAttempts, maxWait: defaultMaxWait},
		now:       time.Now,
		random:    rand.Float64,
		paces:     newPaces(),
		watching:  defaultWatching(),
		sinks:     &sinks{},
		changes:   &changes{},
		edgeRests: &atomic.Int64{},
		news:      &news{},
	}
	for _, opt := range opts {
		if opt == nil {
			return nil, errors.New("client: an option is nil")
		}
		if err := opt(c); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	// A redirect would carry the key to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.api = gql.NewClient(c.http, c.endpoint, &clientv2.Options{ParseDataAlongWithErrors: true})
	c.api.Client.CustomDo = c.do
	return c, nil
}

// String names the endpoint, never the key.
func (c Client) String() string { return "client.Client(" + c.endpoint + ")" }

// Format renders String for every verb, so that no verb can reach into the client.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

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
