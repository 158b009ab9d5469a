using System.Runtime.CompilerServices;

[assembly: TypeForwardedTo(typeof(Peft.TokenCache))]
