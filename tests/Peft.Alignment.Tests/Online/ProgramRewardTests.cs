namespace Peft.Alignment.Tests.Online;

public sealed class ProgramRewardTests
{
    private static readonly bool IsWindows = OperatingSystem.IsWindows();

    private static Completion Of(int row, string? text) => new() { Row = row, Prompt = [3], Tokens = [4, 5], IsTruncated = true, PromptText = "Why?", Text = text };

    // A program of the system's shell: one line for Unix, one for Windows.
    private static RewardFunction Shell(string unix, string windows)
        => IsWindows ? RewardFunction.OfProgram("shell", "cmd.exe", "/d", "/c", windows) : RewardFunction.OfProgram("shell", "/bin/sh", "-c", unix);

    private static double[] Score(RewardFunction function, params Completion[] completions) => [.. RewardFunction.Call([function], completions, default).Select(row => row[0])];

    private static string Error(RewardFunction function) => Should.Throw<RewardException>(() => Score(function, Of(0, "a"), Of(1, "b"))).Message;

    [Fact]
    public void A_program_reads_completions_and_writes_their_rewards()
    {
        Score(Shell("cat > /dev/null; printf '0.5\\nnull\\n-1e-3\\n'", "more > nul & echo 0.5& echo null& echo -1e-3"), Of(0, "a"), Of(0, "b"), Of(1, "c")).ShouldBe([0.5, double.NaN, -1e-3]);
        if (IsWindows) return;   // its shell cannot look into lines
        var looks = RewardFunction.OfProgram("looks", "/bin/sh", "-c", """
            while read -r line; do
              case "$line" in *'"row":1,"prompt":"Why?","completion":"yes, \u00FC","prompt_ids":[3],"completion_ids":[4,5],"truncated":true,"fields":{"answer":"42"}}') echo 1;; *'"completion":null'*) echo null;; *) echo 0;; esac
            done
            """);
        Score(looks, Of(0, "no"), Of(1, "yes, ü") with { Fields = new() { ["answer"] = "42" } }, Of(2, null)).ShouldBe([0, 1, double.NaN]);
    }

    [Fact]
    public void More_completions_than_fit_into_a_pipe_are_read_and_scored()
    {
        if (IsWindows) return;
        Completion[] many = [.. Enumerable.Range(0, 3000).Select(row => Of(row, new string('x', 100)))];
        Score(RewardFunction.OfProgram("one", "/bin/sh", "-c", "while read -r line; do echo 1; done"), many).ShouldAllBe(reward => reward == 1);
        Score(RewardFunction.OfProgram("unread", "/bin/sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo 2; i=$((i+1)); done"), many).ShouldAllBe(reward => reward == 2);
    }

    [Fact]
    public void Programs_that_fail_or_write_something_else_are_named()
    {
        Error(RewardFunction.OfProgram("none", "no-such-program-of-peft")).ShouldContain("no-such-program-of-peft could not be started");
        Error(Shell("echo broken >&2; exit 3", "echo broken>&2& exit 3")).ShouldContain("exit code 3: broken");
        Error(Shell("cat > /dev/null; echo 1", "more > nul & echo 1")).ShouldContain("returned 1 rewards for 2");
        Error(Shell("cat > /dev/null", "more > nul")).ShouldContain("returned 0 rewards for 2");
        Error(Shell("cat > /dev/null; echo 1; echo good", "more > nul & echo 1& echo good")).ShouldContain("Line 2 of the output");
    }

    [Fact]
    public void A_cancelled_run_kills_the_program()
    {
        if (IsWindows) return;
        using var cancelled = new CancellationTokenSource(50);
        Should.Throw<OperationCanceledException>(() => RewardFunction.Call([RewardFunction.OfProgram("sleeps", "/bin/sh", "-c", "exec sleep 1000")], [Of(0, "a")], cancelled.Token));
    }
}
