package middleware

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/httprate"
	"github.com/golang-jwt/jwt/v5"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/middleware/stdlib"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/stiggate/gate/bench/internal/checks"
	"github.com/stiggate/gate/bench/internal/world"
)

// peers are other middlewares, all on net/http. Beside the other routers httprate alone is measured.
func (f *field) peers() error {
	type peer struct {
		name string
		with func(http.Handler) http.Handler
	}
	peers := []peer{{Plain, func(h http.Handler) http.Handler { return h }}, {Rate, rate()}}
	if f.router.Name == "net/http" {
		peers = peers[1:]
		token, verified, err := signed()
		if err != nil {
			return err
		}
		f.load.Set("Authorization", "Bearer "+token)
		enforced, cached, err := enforcers()
		if err != nil {
			return err
		}
		traced := otelhttp.NewMiddleware("bench", otelhttp.WithTracerProvider(trace.NewTracerProvider()))
		peers = append(peers, peer{"a context value alone", value}, peer{"ulule/limiter", limited()}, peer{"casbin, cached enforcer", cached},
			peer{"casbin", enforced}, peer{"golang-jwt, HS256", verified}, peer{"otelhttp", traced})
	}
	for _, p := range peers {
		mux := http.NewServeMux()
		mux.Handle(http.MethodPost+" "+path, p.with(http.HandlerFunc(succeeding)))
		if err := f.add([]int{1}, p.name, http.StatusOK, mux); err != nil {
			return err
		}
	}
	return nil
}

func rate() func(http.Handler) http.Handler {
	return httprate.LimitBy(1<<30, time.Hour, func(r *http.Request) (string, error) { return r.Header.Get("X-Customer-Id"), nil })
}

func limited() func(http.Handler) http.Handler {
	l := limiter.New(memory.NewStore(), limiter.Rate{Period: time.Hour, Limit: 1 << 40})
	return stdlib.NewMiddleware(l, stdlib.WithKeyGetter(func(r *http.Request) string { return r.Header.Get("X-Customer-Id") })).Handler
}

type key struct{}

// value hands the handler one value in the request's context.
func value(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, r.Header.Get("X-Customer-Id"))))
	})
}

// signed is a token, and what verifies it.
func signed() (string, func(http.Handler) http.Handler, error) {
	secret := []byte("a secret of thirty-two bytes, yes")
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: "customer-0000000", Issuer: "https://issuer.example", ExpiresAt: jwt.NewNumericDate(time.Now().Add(24 * time.Hour)),
	}).SignedString(secret)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithIssuer("https://issuer.example"))
	return token, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var claims jwt.RegisteredClaims
			_, err := parser.ParseWithClaims(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), &claims,
				func(*jwt.Token) (any, error) { return secret, nil })
			if err != nil {
				http.Error(w, "unauthorized", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, claims.Subject)))
		})
	}, err
}

// enforcers ask casbin anew for each request, and by its cache.
func enforcers() (anew, cached func(http.Handler) http.Handler, err error) {
	e, err := checks.Enforcer()
	if err != nil {
		return nil, nil, err
	}
	by := func(enforce func(...any) (bool, error)) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if ok, err := enforce(r.Header.Get("X-Customer-Id"), world.Boolean, "use"); !ok || err != nil {
					http.Error(w, "forbidden", http.StatusForbidden)
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	}
	return by(e.SyncedEnforcer.Enforce), by(e.Enforce), nil
}
