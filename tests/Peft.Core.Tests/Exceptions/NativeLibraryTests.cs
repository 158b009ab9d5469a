namespace Peft.Core.Tests.Exceptions;

public class NativeLibraryTests
{
    // What .NET 10's loader says on Debian 12 with its own libstdc++ (12.2), shortened.
    private const string OldRuntime =
        "Unable to load shared library 'LibTorchSharp' or one of its dependencies. In order to help diagnose loading problems, consider using a tool like strace.\n" +
        "/app/runtimes/linux-x64/native/LibTorchSharp.so: cannot open shared object file: No such file or directory\n" +
        "/lib/x86_64-linux-gnu/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by /app/runtimes/linux-x64/native/libLibTorchSharp.so)\n" +
        "/app/libLibTorchSharp.so: cannot open shared object file: No such file or directory\n";

    [Fact]
    public void An_old_libstdcpp_is_named_with_the_symbol_the_file_and_the_remedy()
    {
        var error = NativeLibraryException.From(new DllNotFoundException(OldRuntime));
        error.ShouldBeAssignableTo<PeftException>();
        error.Message.ShouldContain("/lib/x86_64-linux-gnu/libstdc++.so.6 has no GLIBCXX_3.4.32");
        error.Message.ShouldContain("libstdc++ of GCC 13");
        error.Message.ShouldContain("./build.sh setup");
        error.Message.ShouldNotContain("\n");
    }

    [Fact]
    public void The_cause_is_found_however_deep_in_the_chain_it_lies()
    {
        var chain = new TypeInitializationException("TorchSharp.torch", new NotSupportedException("This application uses TorchSharp…", new DllNotFoundException(OldRuntime)));
        NativeLibraryException.From(chain).Message.ShouldContain("GLIBCXX_3.4.32");
    }

    [Fact]
    public void The_chain_is_kept_for_those_who_look_into_it()
    {
        var chain = new TypeInitializationException("TorchSharp.torch", new DllNotFoundException(OldRuntime));
        NativeLibraryException.From(chain).InnerException.ShouldBeSameAs(chain);
    }

    [Fact]
    public void Another_missing_symbol_asks_for_a_newer_system_and_not_for_libstdcpp()
    {
        var message = NativeLibraryException.From(new DllNotFoundException("/lib/x86_64-linux-gnu/libm.so.6: version `GLIBC_2.35' not found (required by /app/libtorch_cpu.so)")).Message;
        message.ShouldContain("/lib/x86_64-linux-gnu/libm.so.6 has no GLIBC_2.35");
        message.ShouldNotContain("libstdc++");
    }

    [Fact]
    public void A_missing_native_package_names_the_packages_to_add()
    {
        var chain = new TypeInitializationException("TorchSharp.torch", new NotSupportedException("This application or script uses TorchSharp but doesn't contain a reference to libtorch-cpu-linux-x64.\nTrace: …"));
        var message = NativeLibraryException.From(chain).Message;
        message.ShouldContain("doesn't contain a reference to libtorch-cpu-linux-x64");
        message.ShouldContain("TorchSharp-cpu, TorchSharp-cuda-linux");
        message.ShouldNotContain("Trace");
    }

    [Fact]
    public void Where_the_libraries_are_in_order_nothing_is_thrown_however_often_they_are_asked_for()
    {
        TorchRuntime.Require();
        TorchRuntime.Require();
    }
}
