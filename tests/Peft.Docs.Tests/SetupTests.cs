using System.Diagnostics;

namespace Peft.Docs.Tests;

/// <summary>What <c>./build.sh setup</c> says before it replaces packages.</summary>
public sealed class SetupTests
{
    [Fact]
    public void Every_package_that_apt_would_change_is_named()
    {
        if (!OperatingSystem.IsLinux()) return;   // the script asks apt on Debian alone
        const string apt = """
            Inst libc6-dev [2.36-9+deb12u14] (2.41-12+deb13u5 Debian:13.5/stable [amd64]) []
            Remv old-thing [1.0]
            Inst libc6 [2.36-9+deb12u14] (2.41-12+deb13u5 Debian:13.5/stable [amd64]) [libc6-dev:amd64 ]
            Inst base-files [12.4+deb12u11] (13.8+deb13u8 Debian:13.5/stable [amd64])
            Conf libc6 (2.41-12+deb13u5 Debian:13.5/stable [amd64])
            Inst gcc-14-base (14.2.0-19 Debian:13.5/stable [amd64])
            """;
        Run($"apt-get() {{ case \" $* \" in *' -s '*) cat <<'END'\n{apt}\nEND\n;; *) exit 9 ;; esac; }}; changed_packages").ShouldBe(
            "libc6-dev 2.36-9+deb12u14 -> 2.41-12+deb13u5\nold-thing 1.0 (removed)\nlibc6 2.36-9+deb12u14 -> 2.41-12+deb13u5\nbase-files 12.4+deb12u11 -> 13.8+deb13u8\ngcc-14-base (new) 14.2.0-19\n");
    }

    // The functions of the script without what it does when it is called.
    private static string Run(string command)
    {
        var script = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "pages", "build.sh")).Split("\ncommand=")[0];
        using var bash = Process.Start(new ProcessStartInfo("bash") { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        bash.StandardInput.Write($"{script.Replace("BASH_SOURCE[0]", "BASH_SOURCE[0]:-.", StringComparison.Ordinal)}\n{command}\n");
        bash.StandardInput.Close();
        var printed = bash.StandardOutput.ReadToEnd();
        bash.WaitForExit();
        bash.ExitCode.ShouldBe(0);
        return printed;
    }
}
