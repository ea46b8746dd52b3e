package recipes

import (
	"errors"
	"net/http"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"

	"github.com/stiggate/gate"
)

// recipe: fiber

// RequireFiber is a gate for a route or a group. The gate sees the request that fiber's adaptor
// makes. (adaptor.HTTPMiddleware would not do: it runs the handler when the middleware is
// through, so a gate in it would bill before.) The handler has its ticket in c.Context(). What
// SendStreamWriter sends comes after the handler: settle by the Ticket before.
func RequireFiber(g *gate.Gate, p gate.Policy) fiber.Handler {
	guard := g.MustGuard(p)
	return func(c fiber.Ctx) (err error) {
		r, err := adaptor.ConvertRequest(c, true)
		if err != nil {
			return err
		}
		r = r.WithContext(c.Context())
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
				out.Err, out.Status = err, c.Response().StatusCode()
				if err != nil { // the ErrorHandler answers
					out.Status = http.StatusInternalServerError
					if e := (*fiber.Error)(nil); errors.As(err, &e) {
						out.Status = e.Code
					}
				}
				return out
			})
		return err
	}
}

// answer is fiber's response as the writer of a denial.
type answer struct {
	c      fiber.Ctx
	header http.Header
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	for name, values := range a.header {
		for _, value := range values {
			a.c.Response().Header.Add(name, value)
		}
	}
	a.c.Status(status)
}

func (a *answer) Write(p []byte) (int, error) { return a.c.Write(p) }

// end of recipe
