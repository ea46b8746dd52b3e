package client

import (
	"net/http"
	"time"
)

// TransportOf is the transport that c sends through now.
func TransportOf(c *Client) *http.Transport { return c.conns.now() }

// SetTimeout changes how long an attempt of c may take from now on.
func SetTimeout(c *Client, d time.Duration) { c.timeout = d }
