package nethttp_test

import (
	"testing"

	"github.com/stiggate/gate"
	"github.com/stiggate/gate/gatetest"
	"github.com/stiggate/gate/identity"
	"github.com/stiggate/gate/nethttp"
)

func TestAHandlerThatIsNilIsToldWhenItIsRegistered(t *testing.T) {
	g := gatetest.New(t).Gate(identity.Nobody())
	defer func() {
		if p := recover(); p != "nethttp: the handler is nil" {
			t.Errorf("it says %v", p)
		}
	}()
	nethttp.Require(g, gate.Public())(nil)
}
