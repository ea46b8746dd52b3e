package growth

import (
	"fmt"
	"net/http"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/bench/internal/measure"
	"github.com/stiggate/gate/bench/internal/routers"
	"github.com/stiggate/gate/bench/internal/world"
)

// Routers are the names of the four.
var Routers = []string{"net/http", "chi", "gin", "echo"}

// Routes is the group of a router.
func Routes(router string) string { return "growth with routes, " + router }

// Requests are the kinds of request that are sent.
var Requests = []string{"GET", "HEAD", "OPTIONS", "POST", "DELETE (no route)", "GET, not in the table"}

// WithoutGate ends the name of a curve.
const WithoutGate = ", bare"

// Curve is a curve of requests, without Gate or with a table of it in front.
func Curve(request string, gated bool) string {
	if gated {
		return request
	}
	return request + WithoutGate
}

func routes(b *measure.Bench) error {
	slice := b.Slice
	defer func() { b.Slice = slice }()
	b.Slice /= 5 // there are many
	all := world.Customers(64)
	g, err := world.Gate(world.Source(world.Two()), all, gate.WithBareRequests())
	if err != nil {
		return err
	}
	defer world.Drop(g)
	for _, r := range routers.All() {
		var contestants []measure.Contestant
		for _, n := range []int{1, 10, 100, 1000} {
			site := site(n)
			bare := r.Build(site)
			site.Gate = g
			gated := r.Build(site)
			for _, request := range Requests {
				method, path := http.MethodGet, site.Paths[n-1]
				switch request {
				case Requests[4]:
					method = http.MethodDelete
				case Requests[5]:
					path = "/unnamed"
				default:
					method = request
				}
				load := routers.NewLoad(1, method, path, all)
				if a, b := load.Status(bare), load.Status(gated); a != b {
					return fmt.Errorf("%s, %s: %d without Gate, %d with it", r.Name, request, a, b)
				}
				contestants = append(contestants, at(Curve(request, false), n, load.To(bare)), at(Curve(request, true), n, load.To(gated)))
			}
		}
		b.Contest(measure.Group{Name: Routes(r.Name), Note: "Nanoseconds of a whole request on one core, without a socket, by the number of paths, each of which has a route for GET, HEAD, OPTIONS and POST. " +
			"All are in Gate's table."}, contestants...)
	}
	return nil
}

// site has n paths, all in the table, and one beside that is not.
func site(n int) routers.Site {
	s := routers.Site{Methods: []string{"GET", "HEAD", "OPTIONS", "POST"}, Table: gate.Table{}, Handler: func(http.ResponseWriter, *http.Request) {}}
	for i := range n {
		path := fmt.Sprintf("/v1/resource-%d/items", i)
		s.Paths = append(s.Paths, path)
		for _, method := range s.Methods {
			s.Table[method+" "+path] = gate.Feature(world.Boolean)
		}
	}
	s.Paths = append(s.Paths, "/unnamed")
	return s
}
