package roles

import "github.com/spf13/cobra"

func completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the completion script of a shell",
		Long: `Print the script that teaches a shell to complete kowabunga's commands, flags and values.

  bash        kowabunga completion bash > /etc/bash_completion.d/kowabunga
  zsh         kowabunga completion zsh > "${fpath[1]}/_kowabunga"
  fish        kowabunga completion fish > ~/.config/fish/completions/kowabunga.fish
  powershell  kowabunga completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args:      cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs),
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			}
			return root.GenPowerShellCompletionWithDesc(out)
		},
	}
}
