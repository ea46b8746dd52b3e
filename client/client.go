package client

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/Yamashou/gqlgenc/clientv2"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/client/gql"
	"github.com/stiggate/gate/internal/option"
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
	// plaintext are the hosts that may be sent the key by http (WithPlaintextTo).
	plaintext []string
	key       keySource
	keys      map[string]*condition // by way: whether Stigg refuses the key
	http      *http.Client
	conns     *connections  // nil with a transport of the app's that is none of net/http's
	large     chan struct{} // one for each large answer in memory
	logger    *slog.Logger
	timeout   time.Duration
	retry     retryPolicy
	now       func() time.Time
	random    func() float64
	paces     paces
	api       *gql.Client
	watching  watching
	sinks     *sinks
	edge      string // empty: not used
	changes   *changes
	// edgeRests is until when the edge is not asked, in nanoseconds since 1970.
	edgeRests *atomic.Int64
	news      *news
	realtime  *condition // whether no connection of Watch is live
}

// New returns a client that uses apiKey, one of Stigg's server API keys; empty with
// [WithKeyFunc], and only then. It makes no request: a wrong key shows as
// [ErrUnauthenticated] at the first call. The error says what of the arguments is wrong and
// quotes none of them.
//
// Without options it calls [DefaultEndpoint] through connections of its own, which are made as
// http.DefaultTransport's are, each attempt bounded as [WithTimeout] says and repeated as
// [WithRetry] says.
func New(apiKey string, opts ...Option) (*Client, error) {
	c := &Client{
		endpoint:  DefaultEndpoint + "/graphql",
		keys:      map[string]*condition{overHTTP: {}, overSocket: {}},
		http:      &http.Client{},
		large:     make(chan struct{}, mostLarge),
		logger:    slog.Default(),
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
		realtime:  &condition{},
	}
	if err := errors.Join(option.Apply(c, opts)...); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if c.watching.off && c.watching.tuned != "" {
		return nil, fmt.Errorf("client: %s is of no use with WithoutRealtime", c.watching.tuned)
	}
	if err := c.checkKeys(apiKey); err != nil {
		return nil, err
	}
	c.connect()
	// A redirect would carry the key to wherever it points.
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.api = gql.NewClient(c.http, c.endpoint, &clientv2.Options{ParseDataAlongWithErrors: true})
	c.api.Client.CustomDo = c.do
	return c, nil
}

// checkKeys sees to it that there is one source of the key, and that it travels over TLS only.
func (c *Client) checkKeys(apiKey string) error {
	for what, base := range map[string]string{"endpoint": c.endpoint, "edge's endpoint": c.edge} {
		if u, err := url.Parse(base); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) && !slices.Contains(c.plaintext, plainHost(u.Hostname())) {
			return errors.New("client: the " + what + " is neither https nor of this machine, and the API key would be read on the way: write https, or name its host in WithPlaintextTo if nobody else can listen on the way")
		}
	}
	if c.key.ask != nil {
		if apiKey != "" {
			return errors.New("client: the API key is given twice, by itself and by a function")
		}
		return nil
	}
	if err := checkKey(apiKey); err != nil {
		return err
	}
	c.key.fixed = newSecret(apiKey)
	return nil
}

// loopback reports whether a URL's host is this machine.
func loopback(host string) bool {
	host = strings.ToLower(host)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}

// plainHost is a host as those of WithPlaintextTo are compared.
func plainHost(host string) string {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// connect takes over the making of connections, where that can be done.
func (c *Client) connect() {
	switch t := c.http.Transport.(type) {
	case nil:
		c.conns = newConnections()
	case *http.Transport:
		c.conns = &connections{current: t}
	default:
		return
	}
	c.http.Transport = c.conns
}

// String names the endpoint, never the key.
func (c Client) String() string { return "client.Client(" + c.endpoint + ")" }

// Format renders String for every verb, so that no verb can reach into the client.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }
