//go:build !linux

package outbox

import "errors"

func fillVolume(string) error { return errors.New("not on this system") }
