package client

import "net/http"

// TransportOf is the transport that c sends through now.
func TransportOf(c *Client) *http.Transport { return c.conns.now() }
