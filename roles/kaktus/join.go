package kaktus

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"kowabunga/core/agentproto"
	"kowabunga/core/fault"
	"kowabunga/roles/agent/link"
	"kowabunga/roles/config"
	"kowabunga/roles/term"
	"kowabunga/store/durable"
)

func joinCommand() *cobra.Command {
	var o options
	set := o.declare()
	var dry bool
	cmd := &cobra.Command{
		Use:   "join --url URL --id ID --key-file FILE",
		Short: "Make this host a Kaktus",
		Long: `Make this host a Kaktus: prove by one handshake that Kahuna knows this agent and its key, then write DIR/` + configFile + `,
DIR/key and, with --ca-file, DIR/ca.pem. The key is read from a file or, with "-", from standard input. What is
there already is not replaced. With --dry-run nothing is written.`,
		Args: cobra.NoArgs,
	}
	set.Bind(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "prove the key and show what would be written, but write nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := set.Load(cmd, "", false); err != nil {
			return err
		}
		return o.join(cmd, set, dry)
	}
	return cmd
}

func (o *options) join(cmd *cobra.Command, set *config.Set, dry bool) error {
	t := term.Of(cmd)
	dir := o.Dir
	file := filepath.Join(dir, configFile)
	if _, err := os.Stat(file); err == nil {
		return &fault.Error{Code: fault.Conflict, Op: "join", Message: file + " exists: this host has joined already. To join anew remove it first"}
	}
	if !o.key.Given() {
		return term.Usage(fault.Bad("key-file", "is missing; name the file that holds the agent's key, or - for standard input"))
	}
	key, err := o.key.Read(t.In)
	if err != nil {
		return err
	}
	progress := term.NewProgress(t.Err)
	defer progress.Close()
	step := progress.Step("handshake")
	welcome, err := o.handshake(cmd.Context(), key)
	if err != nil {
		return step.Fail(fault.Wrap(err, fault.Unavailable, "join"))
	}
	step.Done("Kahuna %s knows this agent", welcome.Release)

	values := o.values(set, dir)
	if dry {
		names := make([]string, 0, len(values))
		for name := range values {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			progress.Step(name).Skip("%s", values[name])
		}
		progress.Step("files").Skip("nothing written, as asked")
		return nil
	}
	step = progress.Step("files")
	if err := o.write(set, dir, file, key, values); err != nil {
		return step.Fail(err)
	}
	step.Done("%s; now run: kowabunga kaktus serve --dir %s", file, dir)
	return nil
}

// handshake connects once to each address, as the agent will, until one answers, and leaves. The error is
// that of the first.
func (o *options) handshake(ctx context.Context, key string) (welcome agentproto.Welcome, failed error) {
	for _, url := range o.URLs {
		welcome, err := o.greet(ctx, url, key)
		if err == nil {
			return welcome, nil
		}
		if failed == nil {
			failed = err
		}
	}
	return welcome, failed
}

func (o *options) greet(ctx context.Context, url, key string) (agentproto.Welcome, error) {
	var once [16]byte // this handshake's own identity: the agent draws its own when it first serves
	rand.Read(once[:])
	name := hex.EncodeToString(once[:])
	conn, welcome, err := link.Dial(ctx, link.Target{URL: url, CAFile: o.CAFile, Key: key, Hello: agentproto.Hello{
		Protocol: agentproto.Version, Release: config.Program().Version, Kind: agentproto.Kaktus, Agent: o.ID, Identity: name, Session: name, Trial: true,
	}})
	if err != nil {
		return welcome, err
	}
	conn.Close("joining")
	<-conn.Gone()
	return welcome, nil
}

// values is what was given, with the files where they will be.
func (o *options) values(set *config.Set, dir string) map[string]string {
	values := map[string]string{}
	for _, v := range set.Dump() {
		if v.Source != "default" && v.Key != "dir" {
			values[v.Key] = v.Value
		}
	}
	values["key-file"] = filepath.Join(dir, "key")
	if o.CAFile != "" {
		values["ca-file"] = filepath.Join(dir, "ca.pem")
	}
	return values
}

// write puts the configuration last: with it the host has joined.
func (o *options) write(set *config.Set, dir, file, key string, values map[string]string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fault.Wrap(err, fault.Unavailable, "join")
	}
	if o.CAFile != "" {
		ca, err := os.ReadFile(o.CAFile)
		if err == nil {
			err = durable.Write(filepath.Join(dir, "ca.pem"), ca, 0o600)
		}
		if err != nil {
			return fault.Wrap(err, fault.Unavailable, "join")
		}
	}
	if err := durable.Write(filepath.Join(dir, "key"), []byte(strings.TrimSpace(key)+"\n"), 0o600); err != nil {
		return fault.Wrap(err, fault.Unavailable, "join")
	}
	return set.WriteFile(file, values)
}
