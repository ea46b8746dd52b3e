package recipes

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v3"

	"github.com/stiggate/gate"
)

// recipe: fiber

// RequireFiber is a gate for a route or a group. The gate sees the request as net/http has it.
// (adaptor.HTTPMiddleware would not do: it runs the handler when the middleware is
// through, so a gate in it would bill before.) The handler has its ticket in c.Context(). What
// SendStreamWriter sends comes after the handler: settle by the Ticket before.
func RequireFiber(g *gate.Gate, p gate.Policy) fiber.Handler {
	guard := g.MustGuard(p)
	return func(c fiber.Ctx) error {
		r, err := request(c)
		if err != nil {
			return err
		}
		w := &answer{c, http.Header{}}
		guard.Serve(gate.Call{Request: r, Writer: w, Route: c.Route().Path},
			func(d gate.Decision) { g.WriteDenial(w, r, d) },
			func(_ http.ResponseWriter, handed *http.Request) bool {
				c.SetContext(handed.Context())
				defer c.SetContext(r.Context())
				err = c.Next()
				return true
			},
			func(out gate.Outcome) gate.Outcome {
				res := c.Response()
				out.Err, out.Status, out.Bytes = err, res.StatusCode(), max(0, int64(res.Header.ContentLength()))
				if !res.IsBodyStream() { // which to look at would be to read
					out.Bytes = int64(len(res.Body()))
				}
				if err != nil { // the ErrorHandler answers
					out.Status = http.StatusInternalServerError
					if e := (*fiber.Error)(nil); errors.As(err, &e) {
						out.Status = e.Code
					}
				}
				return out
			})
		w.flush() // the quota
		return err
	}
}

// request is fiber's as net/http has it. All of it is a copy, but the body: fiber uses its memory again for
// the next request, while the gate keeps the customer. (adaptor.ConvertRequest copies nothing, and
// of a field that comes twice it takes the last.)
func request(c fiber.Ctx) (*http.Request, error) {
	in := c.Request()
	target := string(in.RequestURI())
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, fiber.ErrBadRequest
	}
	r := &http.Request{
		Method: strings.Clone(c.Method()), URL: u, RequestURI: target, Host: string(in.Host()), Header: http.Header{},
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: c.RequestCtx().RemoteAddr().String(), TLS: c.RequestCtx().TLSConnectionState(),
		Body: http.NoBody, ContentLength: int64(in.Header.ContentLength()), // of a stream, which is the handler's to read
	}
	for name, value := range in.Header.All() {
		r.Header.Add(string(name), string(value))
	}
	if !in.IsBodyStream() {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(in.Body())), int64(len(in.Body()))
	}
	return r.WithContext(c.Context()), nil
}

// answer is fiber's response as the writer of a denial.
type answer struct {
	c      fiber.Ctx
	header http.Header
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.flush()
	a.c.Status(status)
}

// flush gives fiber the fields that are set.
func (a *answer) flush() {
	for name, values := range a.header {
		for _, value := range values {
			a.c.Response().Header.Add(name, value)
		}
	}
	clear(a.header)
}

func (a *answer) Write(p []byte) (int, error) { return a.c.Write(p) }

// end of recipe
